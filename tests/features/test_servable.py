"""What history or serving could not take is refused when it is applied, and nothing has changed then."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, String

from features.apply import apply_repository
from features.errors import TableLayoutError, UnsupportedFeatureError, UnsupportedRetrievalError
from features.settings import FeatureSettings
from tests.features.offline_world import NOON, ROWS, ask, make_config

DEFINITIONS = """
from datetime import timedelta
from feast import Entity, FeatureService, FeatureView, Field, FileSource, RequestSource, ValueType
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Array, Float64, Int64, String

device = Entity(name="device", value_type=ValueType.STRING)

def view(name, *fields):
    source = FileSource(name=f"{name}_table", path=f"{name}.parquet", timestamp_field="at")
    schema = [Field(name="device", dtype=String), *fields]
    return FeatureView(name=name, entities=[device], ttl=timedelta(hours=1), schema=schema, source=source)

levels = view("levels", Field(name="level", dtype=Float64))
asked = RequestSource(name="asked", schema=[Field(name="amount", dtype=Float64)])
lists = RequestSource(name="lists", schema=[Field(name="amounts", dtype=Array(Float64))])

def computed(name, source, singleton=False):
    schema = [Field(name="computed", dtype=Float64)]
    sources = [source]
    @on_demand_feature_view(name=name, mode="python", sources=sources, schema=schema, singleton=singleton)
    def compute(inputs):
        return {"computed": [1.0]}
    return compute
"""
REFUSED = {
    r"""view 'odd': 'le"vel' .*has a quote""": """odd = view("odd", Field(name='le"vel', dtype=Float64))""",
    r"view 'odd': 'le\\\\vel' .*has a quote, a backslash": (
        """odd = view("odd", Field(name="le\\\\vel", dtype=Float64))"""
    ),
    r"view 'odd': '' is empty": """odd = view("odd", Field(name="", dtype=Float64))""",
    r"view 'odd': '__asof_row' begins as the join's own": (
        """odd = view("odd", Field(name="__asof_row", dtype=Float64))"""
    ),
    r"service 'v1': feature 'level' has the name of another feature": (
        """v1 = FeatureService(name="v1", features=[levels, levels.with_name("again")])"""
    ),
    r"service 'v1': feature 'amount' has the name of a key, a request field": """
odd = view("odd", Field(name="amount", dtype=Float64))
facts = computed("facts", asked)
v1 = FeatureService(name="v1", features=[odd, facts])
""",
    r"service 'v1' reads two things as 'levels'": """
odd = view("odd", Field(name="other", dtype=Float64))
v1 = FeatureService(name="v1", features=[levels, odd.with_name("levels")])
""",
    r"feature 'tags' is Array": """
odd = view("odd", Field(name="tags", dtype=Array(String)))
v1 = FeatureService(name="v1", features=[odd])
""",
    r"its default 'many' is no Int64": """
odd = view("odd", Field(name="count", dtype=Int64, tags={"default": "many"}))
v1 = FeatureService(name="v1", features=[odd])
""",
    r"request fields of type Array": """
facts = computed("facts", lists)
v1 = FeatureService(name="v1", features=[facts])
""",
    r"on-demand view 'facts' is a singleton": """
facts = computed("facts", asked, singleton=True)
v1 = FeatureService(name="v1", features=[facts])
""",
}


def write_repository(folder: Path, text: str) -> FeatureSettings:
    folder.mkdir()
    (folder / "feature_store.yaml").write_text("project: odd\nprovider: local\n")
    (folder / "definitions.py").write_text(DEFINITIONS + text)
    return FeatureSettings(var=folder / "var", feature_repo=folder)


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_served_is_refused_before_anything_is_applied(tmp_path: Path, message: str) -> None:
    settings = write_repository(tmp_path / "repository", REFUSED[message])
    with pytest.raises(UnsupportedFeatureError, match=message):
        apply_repository(settings)
    assert not settings.registry_db.exists()
    assert not settings.online_db.exists()


def test_a_view_that_no_service_takes_may_hold_what_models_cannot(tmp_path: Path) -> None:
    text = 'odd = view("odd", Field(name="tags", dtype=Array(String)))'
    settings = write_repository(tmp_path / "repository", text)
    apply_repository(settings)
    assert settings.registry_db.exists()


NAMES = [
    "__key_device",
    "__row",
    "__instant",
    "__event",
    "__place",
    "__known",
    "__rank",
    "__code",
    "le vel's",
]


@pytest.mark.parametrize("created", ["created", None])
def test_a_feature_may_have_any_other_name(tmp_path: Path, created: str | None) -> None:
    # given
    store = open_store(tmp_path, NAMES, created)
    values = {name: ROWS["level"] + place for place, name in enumerate(NAMES)}
    ROWS.assign(**values).to_parquet(tmp_path / "levels.parquet")
    # when
    refs = [f"levels:{name}" for name in NAMES]
    known_only: dict[str, Any] = {"filter_by_created_timestamp": True} if created else {}
    for more in ({}, known_only):
        answer = store.get_historical_features(ask(("a", NOON), ("b", NOON)), refs, **more).to_df()
        # then
        for place, name in enumerate(NAMES):
            assert answer[name].tolist() == [1 + place, 4 + place]


def test_the_joins_own_names_are_refused_where_feast_applied_them(tmp_path: Path) -> None:
    store = open_store(tmp_path, ["__asof_key_device"], None)
    ROWS.assign(__asof_key_device=1.0).to_parquet(tmp_path / "levels.parquet")
    with pytest.raises(UnsupportedRetrievalError, match="rename '__asof_key_device'"):
        store.get_historical_features(ask(("a", NOON)), ["levels:__asof_key_device"])


def test_a_table_whose_columns_hide_where_its_rows_stand_is_refused(tmp_path: Path) -> None:
    store = open_store(tmp_path, ["level"], None)
    ROWS.assign(file_index=pd.Series(range(len(ROWS)))).to_parquet(tmp_path / "levels.parquet")
    with pytest.raises(TableLayoutError, match=r"has the columns \['file_index'\].*rename"):
        store.get_historical_features(ask(("a", NOON)), ["levels:level"]).to_df()


def open_store(folder: Path, names: list[str], created: str | None) -> FeatureStore:
    device = Entity(name="device", value_type=ValueType.STRING)
    view = FeatureView(
        name="levels",
        entities=[device],
        ttl=timedelta(hours=3),
        schema=[Field(name="device", dtype=String), *(Field(name=name, dtype=Float64) for name in names)],
        source=FileSource(
            name="levels_table", path="levels.parquet", timestamp_field="at", created_timestamp_column=created
        ),
    )
    store = FeatureStore(config=make_config(folder, {"type": "features.offline.store.AsOfOfflineStore"}))
    store.apply([device, view])
    return store
