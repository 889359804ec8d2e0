"""A running service follows the alias, never mixes versions, and outlives bad ones and a lost registry."""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.bundle.contract import CONTRACT_FILE, MODEL_FILE, SCHEMA_VERSION
from contracts.registry import Deployment, deployed, open_client
from features.schema.feature_column import FeatureColumn
from inference.model_loading.model_follower import SILENT_SECONDS, ModelFollower
from inference.model_loading.served_model import ServedModel
from inference.settings import InferenceSettings
from tests.inference.bundles import COLUMNS
from tests.inference.parking import PROBLEM
from tests.inference.running import list_warnings, running_server, wait_until
from tests.inference.world import add_version, bundle_folder, instance, set_champion

MOVES = 6
# How long SQLite waits for a lock: what asks the registry meanwhile takes as long.
LOCK_SECONDS = 5.0


class Load:
    """Asks continuously from several clients; remembers each status and each answer that mixes versions."""

    def __init__(self, url: str) -> None:
        self._url, self._stop = url, threading.Event()
        self.statuses: list[int] = []
        self.mixed: list[object] = []

    @contextmanager
    def running(self, clients: int = 3) -> "Iterator[Load]":
        threads = [threading.Thread(target=self._ask, args=(size,)) for size in (1, 5, 20)[:clients]]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _ask(self, size: int) -> None:
        with httpx.Client(base_url=self._url, timeout=30) as client:
            while not self._stop.is_set():
                response = client.post("/v1/predict", json={"instances": [instance()] * size})
                self.statuses.append(response.status_code)
                self._check(response)

    def _check(self, response: httpx.Response) -> None:
        answers = response.json().get("predictions", [])
        seen = {(item["model_version"], round(item["prediction"], 3)) for item in answers}
        if len(seen) != 1 or not all(value == float(version) + 0.125 for version, value in seen):
            self.mixed.append(seen)


def served_version(client: httpx.Client) -> str:
    return str(client.get("/v1/model").json()["version"])


def serves(client: httpx.Client, version: str) -> bool:
    return served_version(client) == version


def follower_error(client: httpx.Client) -> str | None:
    error: str | None = client.get("/v1/model").json()["follower"]["error"]
    return error


def test_the_alias_moves_under_load_without_a_failure(
    settings: InferenceSettings, champion: str, service: httpx.Client
) -> None:
    versions = [champion, add_version(settings, 2.0)]
    load = Load(str(service.base_url))

    with load.running():
        for move in range(MOVES):
            version = versions[(move + 1) % 2]
            set_champion(settings, version)
            wait_until(partial(serves, service, version), f"version {version}", 5)

    assert len(load.statuses) > MOVES
    assert set(load.statuses) == {200}
    assert load.mixed == []


def _truncate_model(folder: Path) -> None:
    model = folder / MODEL_FILE
    model.write_bytes(model.read_bytes()[:-20])


def _change_contract(folder: Path) -> None:
    contract = folder / CONTRACT_FILE
    contract.write_text(contract.read_text().replace('"level"', '"levels"'))


def _delete_model(folder: Path) -> None:
    (folder / MODEL_FILE).unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_truncate_model, "digest"),
        (_change_contract, "not the one registered as version"),
        (_delete_model, "not there"),
    ],
)
def test_a_damaged_bundle_leaves_the_old_version_serving(
    settings: InferenceSettings,
    champion: str,
    service: httpx.Client,
    damage: Callable[[Path], None],
    said: str,
) -> None:
    damaged = add_version(settings, 2.0)
    damage(bundle_folder(settings, damaged))

    set_champion(settings, damaged)

    error = wait_until(lambda: follower_error(service), "the refusal", 5)
    assert f"version {damaged} is refused" in error
    assert said in error
    assert service.post("/v1/predict", json=instance()).json()["predictions"][0]["model_version"] == champion
    assert list_warnings(service) == [error]
    assert "roundtrip_follower_failing 1.0" in service.get("/metrics").text


@pytest.mark.parametrize(
    ("contract", "said"),
    [
        ({"schema_version": SCHEMA_VERSION + 1}, "schema version"),
        ({"problem": "another"}, "another"),
        ({"feature_service": "parking_v2"}, "parking_v2"),
        ({"columns": (*COLUMNS, FeatureColumn(name="weekday", kind="numeric"))}, "weekday"),
        ({"columns": (*COLUMNS[:-1], FeatureColumn(name="free_share", kind="categorical"))}, "free_share"),
    ],
)
def test_a_bundle_that_does_not_fit_is_refused(
    settings: InferenceSettings, champion: str, service: httpx.Client, contract: dict[str, object], said: str
) -> None:
    set_champion(settings, add_version(settings, 2.0, **contract))

    assert said in wait_until(lambda: follower_error(service), "the refusal", 5)
    assert served_version(service) == champion


def test_a_repaired_bundle_is_loaded_after_all(
    settings: InferenceSettings, champion: str, service: httpx.Client
) -> None:
    damaged = add_version(settings, 2.0)
    model = bundle_folder(settings, damaged) / MODEL_FILE
    whole = model.read_bytes()
    model.write_bytes(whole[:-20])
    set_champion(settings, damaged)
    wait_until(lambda: follower_error(service), "the refusal", 5)

    model.write_bytes(whole)

    wait_until(lambda: served_version(service) == damaged, "the repaired version", 10)
    assert follower_error(service) is None


def test_the_first_champion_is_picked_up_by_a_waiting_service(settings: InferenceSettings) -> None:
    with running_server(settings, ready=False) as client:
        waiting = wait_until(lambda: "no champion" in client.get("/health/ready").text, "the reason", 5)
        set_champion(settings, add_version(settings, 1.0))
        wait_until(lambda: client.get("/health/ready").status_code == 200, "the first champion", 5)

    assert waiting


def test_a_deleted_registry_does_not_stop_the_service(
    settings: InferenceSettings, champion: str, service: httpx.Client
) -> None:
    database = settings.registry.tracking_db
    assert database is not None
    kept = database.with_suffix(".kept")
    database.rename(kept)

    error = wait_until(lambda: follower_error(service), "the loss being said", 10)

    assert "registry" in error
    assert not database.exists()  # looking it up must not make an empty one
    assert service.post("/v1/predict", json=instance()).status_code == 200
    assert list_warnings(service) == [error]

    kept.rename(database)
    newer = add_version(settings, 2.0)
    set_champion(settings, newer)
    wait_until(lambda: served_version(service) == newer, "the registry's return", 10)


def test_a_registry_that_nobody_wrote_to_is_not_asked_again(
    settings: InferenceSettings, champion: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def count(*arguments: Any) -> Deployment:
        if arguments[0] is settings.registry:  # services of other tests follow theirs meanwhile
            asked.append(arguments[1])
        return deployed(*arguments)

    monkeypatch.setattr("inference.model_loading.model_follower.deployed", count)
    follower = ModelFollower(settings, PROBLEM, on_load=lambda _: None)

    for _ in range(5):
        follower.poll()
    assert len(asked) == 1

    newer = add_version(settings, 2.0)
    set_champion(settings, newer)
    follower.poll()
    assert len(asked) == 2
    assert follower.served is not None
    assert follower.served.version == newer


def test_a_locked_registry_does_not_hold_requests_up(
    settings: InferenceSettings, champion: str, service: httpx.Client
) -> None:
    database = sqlite3.connect(str(settings.registry.tracking_db), isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    try:
        for _ in range(20):
            response = service.post("/v1/predict", json=instance())
            assert response.status_code == 200
            assert response.elapsed.total_seconds() < LOCK_SECONDS
        error = wait_until(lambda: follower_error(service), "the lock being said", SILENT_SECONDS * 3)
    finally:
        database.close()

    assert "locked" in error
    wait_until(lambda: follower_error(service) is None, "recovery", 30)


def test_a_version_that_takes_long_to_load_is_no_silence_of_the_registry(
    settings: InferenceSettings, champion: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.model_loading.model_follower.SILENT_SECONDS", 0.1)
    loading, loaded = threading.Event(), threading.Event()

    def load(_: ServedModel) -> None:
        loading.set()
        loaded.wait()

    follower = ModelFollower(settings, PROBLEM, on_load=load)
    polling = threading.Thread(target=follower.poll, daemon=True)
    polling.start()
    assert loading.wait(60)
    time.sleep(0.2)

    assert follower.trouble is None

    loaded.set()
    polling.join()


def test_an_alias_that_is_gone_leaves_the_last_champion_serving(
    settings: InferenceSettings, champion: str, service: httpx.Client
) -> None:
    open_client(settings.registry).delete_registered_model_alias("parking", "champion")

    assert "has no champion" in wait_until(lambda: follower_error(service), "the missing alias", 5)
    assert served_version(service) == champion
    assert json.loads(service.get("/health/ready").text)["model_version"] == champion
