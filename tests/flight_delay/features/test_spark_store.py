"""Feast's Spark store over the built tables: the answers of the as-of store, in the order of the question."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from feast import FeatureStore

from features.apply import apply_repository
from features.contract import read_examples
from features.repository.feature_store import open_store
from features.settings import FeatureSettings
from features.timestamps import BEGINNING
from tests.flight_delay.features.conftest import END, START
from tests.frames import records

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("spark")]

QUESTIONS = 2_000
STORED, SERVED = ("carrier_operations", "aircraft_legs"), 100


@pytest.fixture(scope="module")
def stores(
    days: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[FeatureStore, FeatureStore]]:
    """The as-of store and the Spark store, over the same tables."""
    with pytest.MonkeyPatch.context() as environment:
        asof = _applied(days, tmp_path_factory.mktemp("asof"), "features/flight_delay", environment)
        spark = _applied(days, tmp_path_factory.mktemp("spark"), "features/flight_delay/spark", environment)
        yield asof, spark


@pytest.fixture(scope="module")
def questions(days: Path) -> pd.DataFrame:
    return read_examples(days, START, END).sample(QUESTIONS, random_state=2013)


def test_every_view_answers_as_the_asof_store_does(
    stores: tuple[FeatureStore, FeatureStore], questions: pd.DataFrame
) -> None:
    asof, spark = stores
    views = [*asof.list_batch_feature_views(), *asof.list_on_demand_feature_views()]
    refs = [f"{view.name}:{field.name}" for view in views for field in view.features]
    asked = questions.copy()
    answered = spark.get_historical_features(asked, refs, full_feature_names=True).to_df()
    pd.testing.assert_frame_equal(asked, questions)
    expected = asof.get_historical_features(questions, refs, full_feature_names=True).to_df()
    for name in (ref.replace(":", "__") for ref in refs):
        one, other = (
            frame[name].astype(object).where(frame[name].notna(), None) for frame in (answered, expected)
        )
        pd.testing.assert_series_equal(one, other, obj=name)


def test_what_is_materialised_from_spark_is_what_the_asof_store_gives(
    stores: tuple[FeatureStore, FeatureStore], questions: pd.DataFrame
) -> None:
    asof, spark = stores
    refs = [
        f"{view.name}:{field.name}" for view in map(asof.get_feature_view, STORED) for field in view.features
    ]
    rows = records(questions[["origin", "carrier", "tailnum"]].dropna().head(SERVED))
    for store in stores:
        store.materialize(BEGINNING, END, feature_views=list(STORED))
    expected = asof.get_online_features(refs, rows).to_dict()
    assert any(value is not None for value in expected["aircraft_status"])
    assert spark.get_online_features(refs, rows).to_dict() == expected


def _applied(days: Path, var: Path, repository: str, environment: pytest.MonkeyPatch) -> FeatureStore:
    (var / "features").mkdir()
    (var / "features" / "tables").symlink_to(days)
    environment.setenv("ROUNDTRIP_VAR", str(var))
    environment.setenv("ROUNDTRIP_FEATURE_REPO", repository)
    settings = FeatureSettings()
    apply_repository(settings)
    return open_store(settings)
