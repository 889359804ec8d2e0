"""The registry: aliases to bundles, wherever `var` lies, and typed answers when it does not answer."""

import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from contracts.bundle.errors import BundleMissingError
from contracts.bundle.reader import read_bundle
from contracts.errors import RegistryUnavailableError, UnknownVersionError
from contracts.registry import (
    FLOW_RUN_TAG,
    current,
    deployed,
    fetch_bundle,
    list_versions,
    open_client,
    version_of_flow_run,
    version_ref,
)
from contracts.settings import RegistrySettings
from features.settings import REPOSITORY
from tests.second_problem.problem import PROBLEM
from tests.second_problem.world import dock_settings
from tests.training.conftest import TrainedWorld

# Looking without a pause would keep the other thread from making anything.
BETWEEN_LOOKS = 0.005
HEAVY = ("sklearn", "torch", "xgboost", "prefect", "evidently", "matplotlib", "feast")


def test_aliases_name_versions(world: TrainedWorld) -> None:
    champion = current(world.settings.registry, PROBLEM.name)
    previous = current(world.settings.registry, PROBLEM.name, "previous")
    assert champion is not None
    assert previous is not None
    assert champion.version == world.second.version
    assert previous.version == world.first.version
    assert current(world.settings.registry, PROBLEM.name, "challenger") is None
    assert current(world.settings.registry, "another_problem") is None


def test_refused_versions_are_listed_too(world: TrainedWorld) -> None:
    versions = list_versions(world.settings.registry, PROBLEM.name)
    assert [ref.version for ref in versions] == ["1", "2", "3"]
    assert [ref.tags["gate"] for ref in versions] == ["accepted", "refused", "accepted"]
    assert [ref.aliases for ref in versions] == [("previous",), (), ("champion",)]
    assert versions[0].tags["family"] == world.first.family
    assert list_versions(world.settings.registry, "another_problem") == []


def test_a_look_asks_again_only_for_what_may_have_changed(world: TrainedWorld) -> None:
    first = deployed(world.settings.registry, PROBLEM.name)
    again = deployed(world.settings.registry, PROBLEM.name, last=first)
    older = first.model_copy(update={"changed_at": (0, 0)})
    anew = deployed(world.settings.registry, PROBLEM.name, last=older)

    assert first.serving is not None
    assert first.serving.version == world.second.version
    assert first == again == anew
    assert again.serving is first.serving
    assert anew.serving is not first.serving


def test_moving_var_moves_everything(settings: RegistrySettings, world: TrainedWorld, tmp_path: Path) -> None:
    # given a copy of var, moved once more
    moved = dock_settings(tmp_path / "and again").registry
    shutil.move(settings.var, moved.var)
    # when its champion is opened
    champion = current(moved, PROBLEM.name)
    assert champion is not None
    folder = fetch_bundle(moved, champion)
    # then the bundle lies in the new place and reads; nothing remembers the old one
    assert folder.is_relative_to(moved.var)
    assert read_bundle(folder).contract.as_of == world.second.as_of
    assert not settings.var.exists()
    assert str(world.settings.var) not in dump(moved)


def test_the_registry_lies_in_a_folder_of_any_name(tmp_path: Path) -> None:
    # given
    settings = RegistrySettings(var=tmp_path / "data [2024] a*b what?%41 #1")
    # when
    open_client(settings, create=True).create_registered_model("kept")
    # then: it is where the settings say, and nothing was made beside
    assert settings.tracking_db == settings.var / "mlflow" / "mlflow.db"
    assert "kept" in dump(settings)
    assert list(tmp_path.iterdir()) == [settings.var]


def dump(settings: RegistrySettings) -> str:
    assert settings.tracking_db is not None
    with sqlite3.connect(settings.tracking_db) as connection:
        return "\n".join(connection.iterdump())


def test_an_unknown_version_is_typed(world: TrainedWorld) -> None:
    with pytest.raises(UnknownVersionError, match="python -m training list"):
        version_ref(world.settings.registry, PROBLEM.name, "99")


def test_a_version_is_found_by_its_flow_run(settings: RegistrySettings) -> None:
    open_client(settings).set_model_version_tag(PROBLEM.name, "2", FLOW_RUN_TAG, "run-7")
    found = version_of_flow_run(settings, PROBLEM.name, "run-7")
    assert found is not None
    assert found.version == "2"
    assert version_of_flow_run(settings, PROBLEM.name, "run-8") is None


def test_a_missing_bundle_is_typed(settings: RegistrySettings) -> None:
    champion = current(settings, PROBLEM.name)
    assert champion is not None
    shutil.rmtree(settings.artifact_root / champion.bundle)
    with pytest.raises(BundleMissingError):
        fetch_bundle(settings, champion)


def test_a_deleted_database_is_typed_and_comes_back(settings: RegistrySettings) -> None:
    # given a registry that was read once, then deleted
    assert current(settings, PROBLEM.name) is not None
    database = settings.tracking_db
    assert database is not None
    kept = shutil.move(database, database.with_suffix(".kept"))
    # when it is read, then that is said, and no empty database appears in its place
    with pytest.raises(RegistryUnavailableError, match="train first"):
        current(settings, PROBLEM.name)
    assert not database.exists()
    # and once it is back, it is read again
    shutil.move(kept, database)
    assert current(settings, PROBLEM.name) is not None


def test_a_damaged_database_is_typed(settings: RegistrySettings) -> None:
    database = settings.tracking_db
    assert database is not None
    database.write_bytes(b"not a database" * 1000)
    with pytest.raises(RegistryUnavailableError):
        current(settings, PROBLEM.name)


def test_reading_the_registry_needs_no_training_library() -> None:
    code = "import sys, contracts.registry, contracts.bundle.reader, contracts.settings\n"
    code += f"assert not [name for name in {HEAVY} if name in sys.modules]"
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True, timeout=60)


def is_absent_or_empty(settings: RegistrySettings) -> bool:
    try:
        return current(settings, PROBLEM.name) is None
    except RegistryUnavailableError as error:
        return "is not there" in str(error)


def test_a_registry_that_is_being_made_is_absent_or_whole(tmp_path: Path) -> None:
    settings = RegistrySettings(var=tmp_path)
    with ThreadPoolExecutor(1) as creator:
        made = creator.submit(open_client, settings, True)
        while wait([made], timeout=BETWEEN_LOOKS).not_done:
            assert is_absent_or_empty(settings)

    assert [path.name for path in (tmp_path / "mlflow").iterdir()] == ["mlflow.db"]
