"""Materialisation killed at any moment and run again leaves the online store as an uninterrupted run does."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from features.online.codec import decode_row
from features.online.database import KeyBytes
from features.online.store import online_store_of
from features.repository.feature_store import open_store
from features.repository.registry_store import AtomicFileRegistryStore
from features.settings import FeatureSettings
from tests.features.many_keys import END, KEYS, ROWS_PER_BATCH, build_many_keys, start_materialising
from tests.features.online_servers import STORES, Servers, stored_rows
from tests.features.small_world import build_world

SEED = 20240301
FEW, MANY = 2, 20
VIEWS = 4
ROWS = 3 * KEYS + 1
# About what a batch takes: a kill falls into its conversion, its transaction, or between two.
PAUSE = 0.1
# On a busy machine a writer may not come to write while 300 reads run.
PATIENCE = 30.0
Contents = dict[tuple[str, KeyBytes], tuple[int, int | None, dict[str, object]]]


def contents(settings: FeatureSettings) -> Contents:
    stored = stored_rows(settings.online_address.get_secret_value())
    return {
        place: (event, created, dict(decode_row(features)))
        for place, (event, created, features) in stored.items()
    }


def run_to_the_end(settings: FeatureSettings) -> None:
    process = start_materialising(settings, END)
    process.join()
    assert process.exitcode == 0


def clear(settings: FeatureSettings) -> None:
    store = open_store(settings)
    online_store_of(store).clear(store.config, store.list_feature_views())


def kill_after(settings: FeatureSettings, rows: int, seconds: float) -> Contents:
    """Start anew, kill -9 a while after so many rows are stored; what the store holds then."""
    clear(settings)
    process = start_materialising(settings, END)
    while process.is_alive() and len(contents(settings)) < rows:
        time.sleep(0.005)
    time.sleep(seconds)
    process.kill()
    process.join()
    return contents(settings)


@pytest.mark.parametrize("kills", [FEW, pytest.param(MANY, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("kind", STORES)
def test_killed_anywhere_and_run_again_is_as_never_killed(
    kind: str, kills: int, servers: Servers, tmp_path: Path
) -> None:
    # given
    settings = build_many_keys(tmp_path, servers.fresh_address(kind, tmp_path))
    run_to_the_end(settings)
    expected, left = contents(settings), []
    assert len(expected) == ROWS
    random = np.random.default_rng(SEED)
    for rows, seconds in zip(random.integers(0, ROWS, kills), random.uniform(0, PAUSE, kills), strict=True):
        # when
        partial = kill_after(settings, rows, seconds)
        left.append(len(partial))
        # then: whole batches of right rows, and a registry that can be read
        assert partial.items() <= expected.items()
        assert len(partial) % ROWS_PER_BATCH in (0, 1)
        assert len(open_store(settings).list_feature_views()) == VIEWS
        run_to_the_end(settings)
        assert contents(settings) == expected
    assert any(0 < rows < ROWS for rows in left), left


def test_the_registry_is_never_seen_half_written(tmp_path: Path) -> None:
    # given: a registry written over and over
    settings = build_world(tmp_path)
    registry = open_store(settings).registry
    done = threading.Event()

    def rewrite() -> None:
        while not done.is_set():
            registry.commit()

    writer = threading.Thread(target=rewrite)
    writer.start()
    # when
    reader = AtomicFileRegistryStore(open_store(settings).config.registry, tmp_path)
    given_up = time.monotonic() + PATIENCE
    try:
        seen = [reader.get_registry_proto() for _ in range(300)]
        while seen[-1].version_id == seen[0].version_id and time.monotonic() < given_up:
            seen.append(reader.get_registry_proto())
    finally:
        done.set()
        writer.join()
    # then
    assert len({proto.version_id for proto in seen}) > 1
    assert all(len(proto.feature_views) == VIEWS for proto in seen)
    assert not list(settings.features_dir.glob("*.draft"))
