"""Serving plans on file: the same as through Feast, used without Feast, and never past their time."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import feast.types
import pytest
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL

from features.apply import apply_repository
from features.errors import RepositoryError, UnknownServiceError
from features.online import plan_file
from features.online.codec import NO_KEY, NO_KEY_VALUE
from features.online.loading import open_service, open_through_feast
from features.online.plan_file import plan_path, read_plan
from features.online.reader import OnlineReader, ServedFeatures
from features.repository.feature_store import open_store
from features.schema import feature_types
from features.schema.on_demand_source import compile_function
from features.settings import CONFIG_FILE, FeatureSettings
from tests.features.own_repository import own_repository
from tests.features.small_world import REPOSITORY as SMALL

ROOT = Path(__file__).resolve().parents[2]
WITH_PLAN = [
    own_repository(),
    (SMALL, "stored_v1"),
    (ROOT / "tests/inference/repository", "parking_v1"),
    (ROOT / "tests/second_problem", "dock_demand_v1"),
]
SERVED_BY_FEAST = (SMALL, "small_v1")  # one of its views takes a pandas frame
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
ASKED = {"site": "north", "device": "d1", "opens_at": NOON, "spaces": 3, "fee": 1.0}


@pytest.fixture
def applied(tmp_path: Path) -> Callable[[Path], FeatureSettings]:
    """Settings of a repository that has just been applied."""

    def apply(repository: Path) -> FeatureSettings:
        settings = FeatureSettings(var=tmp_path / "var", feature_repo=repository)
        apply_repository(settings)
        return settings

    return apply


def answer(settings: FeatureSettings, service: str) -> list[ServedFeatures]:
    return OnlineReader(settings, service).read([ASKED], [NOON])


@pytest.mark.parametrize(("repository", "service"), WITH_PLAN)
def test_the_plan_on_file_is_the_one_through_feast(
    applied: Callable[[Path], FeatureSettings], repository: Path, service: str
) -> None:
    # given
    settings = applied(repository)
    # when
    on_file = read_plan(settings, service)
    through_feast = open_through_feast(settings, service)
    # then
    assert on_file == through_feast.plan
    from_text = open_service(settings, service).functions
    assert from_text.keys() == through_feast.functions.keys()
    for name, function in from_text.items():
        feasts: Any = through_feast.functions[name]
        assert function.__code__.co_code == feasts.__code__.co_code


@pytest.mark.parametrize(("repository", "service"), WITH_PLAN[1:3])
def test_answers_are_the_same_with_and_without_the_file(
    applied: Callable[[Path], FeatureSettings], repository: Path, service: str
) -> None:
    # given
    settings = applied(repository)
    with_plan = answer(settings, service)
    # when
    plan_path(settings, service).unlink()
    without = answer(settings, service)
    # then: and the next start has a plan again
    assert with_plan == without
    assert read_plan(settings, service) is not None


def test_a_view_that_needs_feast_has_no_plan_on_file(applied: Callable[[Path], FeatureSettings]) -> None:
    repository, service = SERVED_BY_FEAST
    settings = applied(repository)
    assert answer(settings, service)
    assert not plan_path(settings, service).exists()


def test_a_reader_with_a_plan_imports_neither_feast_nor_pandas(
    applied: Callable[[Path], FeatureSettings],
) -> None:
    repository, service = WITH_PLAN[0]
    settings = applied(repository)
    code = (
        "import sys\nfrom features.online.reader import OnlineReader\n"
        "from features.settings import FeatureSettings\n"
        f"OnlineReader(FeatureSettings(var={str(settings.var)!r}), {service!r})\n"
        "print(*({'feast', 'pandas', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == []


@pytest.mark.parametrize("harm", ["registry", "configuration", "truncated", "altered", "feast", "format"])
def test_a_plan_that_does_not_fit_is_not_used(
    applied: Callable[[Path], FeatureSettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    # given
    repository, service = WITH_PLAN[2]
    copied = tmp_path / "repository"
    copied.mkdir()
    for name in (CONFIG_FILE, "definitions.py"):
        (copied / name).write_bytes((repository / name).read_bytes())
    settings = applied(copied)
    path = plan_path(settings, service)
    # when
    if harm == "registry":
        settings.registry_db.write_bytes(settings.registry_db.read_bytes() + b"\0")
    elif harm == "configuration":
        (copied / CONFIG_FILE).write_text(f"{(copied / CONFIG_FILE).read_text()}# more\n")
    elif harm == "truncated":
        path.write_bytes(path.read_bytes()[:-40])
    elif harm == "altered":
        path.write_text(path.read_text().replace("capacity", "capacitance", 1))
    elif harm == "feast":
        monkeypatch.setattr(plan_file, "version", lambda _name: "0.0.1")
    else:
        monkeypatch.setattr(plan_file, "FORMAT", plan_file.FORMAT + 1)
    # then
    assert read_plan(settings, service) is None


def test_materialising_changes_the_registry_and_the_next_opening_mends_the_plan(
    applied: Callable[[Path], FeatureSettings],
) -> None:
    # given
    repository, service = WITH_PLAN[2]
    settings = applied(repository)
    store = open_store(settings)
    # when
    store.registry.apply_materialization(store.get_feature_view("load"), store.project, NOON, NOON)
    # then
    assert read_plan(settings, service) is None
    open_service(settings, service)
    assert read_plan(settings, service) is not None


def test_what_is_missing_is_said_as_through_feast(applied: Callable[[Path], FeatureSettings]) -> None:
    settings = applied(SMALL)
    with pytest.raises(UnknownServiceError, match="small_v1"):
        open_service(settings, "other_v1")
    settings.registry_db.unlink()
    with pytest.raises(RepositoryError, match="apply"):
        open_service(settings, "stored_v1")


@pytest.mark.parametrize("text", ["x = 1", "def broken(", "def f(inputs):\n    return helper(inputs)\n"])
def test_a_text_that_is_not_the_whole_function_is_refused(text: str) -> None:
    with pytest.raises(RepositoryError):
        compile_function(text)


def test_what_is_written_here_of_feast_is_so_in_feast() -> None:
    assert (NO_KEY, NO_KEY_VALUE) == (DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL)
    named = {name: value for name, value in vars(feature_types).items() if name.isupper()}
    feasts = {str(dtype): dtype for dtype in feast.types.PrimitiveFeastType}
    assert {feasts[value].name for value in named.values()} == named.keys()
