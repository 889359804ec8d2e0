"""What serving takes from this room stays light and reads no pickle."""

import subprocess
import sys
from pathlib import Path

import dill
import pytest

from features.apply import apply_repository
from features.online.reader import OnlineReader
from features.settings import FeatureSettings
from tests.features.own_repository import own_repository
from tests.features.small_world import REPOSITORY

HEAVY = ("duckdb", "ibis", "prefect", "evidently", "sklearn", "xgboost", "mlflow", "onnx", "matplotlib")

CLIENTS = ("redis", "psycopg", "psycopg_pool")


def modules_after(statement: str, names: tuple[str, ...]) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*(set(sys.modules) & set({names!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_schema_settings_and_errors_import_no_feast() -> None:
    modules = ("schema.feature_column", "settings", "errors", "online.databases")
    statement = "import " + ", ".join(f"features.{name}" for name in modules)
    assert not modules_after(statement, ("feast", "pandas", "numpy", *HEAVY))


def test_opening_a_reader_imports_no_training_or_query_engine(tmp_path: Path) -> None:
    # given
    apply_repository(FeatureSettings(var=tmp_path, feature_repo=REPOSITORY))
    # when
    settings = f"FeatureSettings(var={str(tmp_path)!r}, feature_repo={str(REPOSITORY)!r})"
    statement = (
        "from features.online.reader import OnlineReader\nfrom features.settings import FeatureSettings\n"
        f"OnlineReader({settings}, 'small_v1')"
    )
    # then
    assert modules_after(statement, (*HEAVY, *CLIENTS)) <= {"ibis"}  # Feast itself imports ibis


@pytest.mark.parametrize(("repository", "service"), [own_repository(), (REPOSITORY, "small_v1")])
def test_opening_a_reader_unpickles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path, service: str
) -> None:
    # given: the worked problem's repository, and the small one
    settings = FeatureSettings(var=tmp_path, feature_repo=repository)
    apply_repository(settings)
    # when
    unpickled: list[object] = []
    monkeypatch.setattr(dill, "loads", unpickled.append)
    reader = OnlineReader(settings, service)
    # then
    assert reader.columns
    assert not unpickled
