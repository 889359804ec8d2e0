"""Materialisation killed at any moment and run again leaves the online store as an uninterrupted run does."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from features.online_codec import decode_row
from features.online_db import KeyBytes
from features.registry_store import AtomicFileRegistryStore
from features.settings import FeatureSettings
from features.store import open_store
from tests.features.many_keys import END, KEYS, ROWS_PER_BATCH, build_many_keys, start_materialising
from tests.features.online_servers import Servers, stored_rows
from tests.features.small_world import build_world

KILLS = {"sqlite": 10, "redis": 4, "postgresql": 4}
SEED = 20240301
ROWS = 3 * KEYS + 1
Contents = dict[tuple[str, KeyBytes], tuple[int, int | None, dict[str, object]]]


def contents(settings: FeatureSettings) -> Contents:
    stored = stored_rows(settings.online_address.get_secret_value())
    return {
        place: (event, created, dict(decode_row(features)))
        for place, (event, created, features) in stored.items()
    }


def run_to_the_end(settings: FeatureSettings) -> float:
    """Materialise; the seconds it took."""
    began = time.monotonic()
    process = start_materialising(settings, END)
    process.join()
    assert process.exitcode == 0
    return time.monotonic() - began


def clear(settings: FeatureSettings) -> None:
    store = open_store(settings)
    store._get_provider().online_store.clear(store.config, store.list_feature_views())


def kill_after(settings: FeatureSettings, seconds: float) -> Contents:
    """Start anew, kill -9 after a while; what the store holds then."""
    clear(settings)
    process = start_materialising(settings, END)
    time.sleep(seconds)
    process.kill()
    process.join()
    return contents(settings)


@pytest.mark.parametrize("kind", KILLS)
def test_killed_anywhere_and_run_again_is_as_never_killed(
    kind: str, servers: Servers, tmp_path: Path
) -> None:
    # given
    settings = build_many_keys(tmp_path, servers.fresh_address(kind, tmp_path))
    run_to_the_end(settings)
    takes = run_to_the_end(settings)
    expected, left = contents(settings), []
    assert len(expected) == ROWS
    for moment in np.random.default_rng(SEED).uniform(0, takes, KILLS[kind]):
        # when
        partial = kill_after(settings, moment)
        left.append(len(partial))
        # then: whole batches of right rows, and a registry that can be read
        assert partial.items() <= expected.items()
        assert len(partial) % ROWS_PER_BATCH in (0, 1)
        assert {view.name for view in open_store(settings).list_feature_views()} > {"readings"}
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
    try:
        seen = [reader.get_registry_proto() for _ in range(300)]
    finally:
        done.set()
        writer.join()
    # then
    assert len({proto.version_id for proto in seen}) > 1
    assert all(len(proto.feature_views) == 4 for proto in seen)
    assert not list(settings.features_dir.glob("*.draft"))
