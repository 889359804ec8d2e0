"""A bundle behind an MLflow server is downloaded once, whole, however many processes ask for it."""

from collections.abc import Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from contracts.bundle.errors import BundleDigestError
from contracts.bundle.reader import read_bundle
from contracts.errors import RegistryUnavailableError
from contracts.registry import current, fetch_bundle
from contracts.settings import RegistrySettings
from tests.forked import fork_off
from tests.inference.outages import RegistryServer
from tests.second_problem.problem import PROBLEM
from tests.second_problem.world import dock_settings
from tests.training.conftest import TrainedWorld

PROCESSES = 4


@pytest.fixture(scope="module")
def server(world: TrainedWorld) -> Iterator[RegistryServer]:
    assert world.settings.registry.tracking_db is not None
    server = RegistryServer(world.settings.registry.tracking_db, world.settings.registry.artifact_root)
    server.end()
    yield server
    server.begin()


@pytest.fixture
def elsewhere(server: RegistryServer, tmp_path: Path) -> RegistrySettings:
    """Settings of a machine that has nothing but the server's address."""
    return dock_settings(tmp_path / "var").registry.model_copy(update={"tracking_uri": server.uri})


def fetch(settings: RegistrySettings) -> Path:
    ref = current(settings, PROBLEM.name)
    assert ref is not None
    return fetch_bundle(settings, ref)


def kept(settings: RegistrySettings) -> list[Path]:
    return list((settings.var / "bundles").iterdir())


def fetch_and_open(settings: RegistrySettings) -> None:
    read_bundle(fetch(settings))


def test_a_bundle_is_downloaded_once(elsewhere: RegistrySettings) -> None:
    folder = fetch(elsewhere)
    contract = (folder / "contract.json").stat()
    assert read_bundle(folder).contract.problem == PROBLEM.name
    assert fetch(elsewhere) == folder
    assert (folder / "contract.json").stat().st_ino == contract.st_ino
    assert kept(elsewhere) == [folder]


def test_processes_that_download_at_once_share_one_whole_bundle(elsewhere: RegistrySettings) -> None:
    processes: list[ForkServerProcess] = [fork_off(fetch_and_open, elsewhere) for _ in range(PROCESSES)]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    assert len(kept(elsewhere)) == 1


def test_what_is_not_the_registered_bundle_is_not_kept(elsewhere: RegistrySettings) -> None:
    ref = current(elsewhere, PROBLEM.name)
    assert ref is not None
    with pytest.raises(BundleDigestError):
        fetch_bundle(elsewhere, ref.model_copy(update={"digest": "0" * 64}))
    assert kept(elsewhere) == []


def test_a_server_that_cannot_hand_it_out_is_said(elsewhere: RegistrySettings) -> None:
    ref = current(elsewhere, PROBLEM.name)
    assert ref is not None
    with pytest.raises(RegistryUnavailableError, match="cannot download version"):
        fetch_bundle(elsewhere, ref.model_copy(update={"run_id": "0" * 32}))
    assert kept(elsewhere) == []
