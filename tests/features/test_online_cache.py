"""The cached read path: rows kept for a moment, one look-up for all that ask at once, the same answers."""

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
import redis

from features.online.cache import CachedOnlineReader
from features.online.lookup import RowLookup
from features.online.reader import OnlineReader, ServedFeatures
from features.repository.feature_store import open_store
from features.settings import FeatureSettings
from tests.features.online_servers import RedisServer
from tests.features.small_world import DEVICES, START, build_world

NOON = START + timedelta(hours=12)
ASKED = {"device": "d0", "site": 1, "due_at": NOON, "amount": 6, "note": "urgent"}
VIEWS, LONG, SHORT = 4, 60.0, 0.05
CALLERS = 40


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.stop()


@pytest.fixture
def settings(server: RedisServer, tmp_path: Path) -> FeatureSettings:
    with redis.Redis.from_url(server.address) as client:
        client.flushall()
    settings = build_world(tmp_path, online_store=server.address)
    write(settings, level=1.0)
    return settings


def write(settings: FeatureSettings, level: float) -> None:
    """A reading of every device, newer than those before."""
    rows = pd.DataFrame({"device": DEVICES, "observed_at": NOON, "created_at": NOON, "level": level})
    open_store(settings).write_to_online_store("readings", rows.assign(mode="low", count=1))


def cached(settings: FeatureSettings, fresh_seconds: float, entries: int = 100) -> CachedOnlineReader:
    return CachedOnlineReader(OnlineReader(settings, "small_v1"), fresh_seconds, entries)


def ask(reader: CachedOnlineReader, *devices: str) -> list[ServedFeatures]:
    rows = [ASKED | {"device": device} for device in devices]
    return asyncio.run(reader.read(rows, [NOON] * len(rows)))


def hashes_read(server: RedisServer) -> int:
    """How many views' rows the server has been asked for."""
    with redis.Redis.from_url(server.address) as client:
        return int(client.info("commandstats").get("cmdstat_hmget", {"calls": 0})["calls"])


def test_callers_of_one_key_share_a_look_up(settings: FeatureSettings, server: RedisServer) -> None:
    # given
    reader = cached(settings, LONG)
    before = hashes_read(server)

    async def ask_at_once() -> list[list[ServedFeatures]]:
        return await asyncio.gather(*[reader.read([ASKED], [NOON]) for _ in range(CALLERS)])

    # when
    answers = asyncio.run(ask_at_once())
    # then
    assert hashes_read(server) - before == VIEWS
    assert answers == [OnlineReader(settings, "small_v1").read([ASKED], [NOON])] * CALLERS


def test_only_what_is_not_kept_is_looked_up(settings: FeatureSettings, server: RedisServer) -> None:
    reader = cached(settings, LONG)
    ask(reader, "d0")
    before = hashes_read(server)
    ask(reader, "d0", "d1")
    assert hashes_read(server) - before == 2  # the two views that are keyed by device
    ask(reader, "d1", "d0")
    assert hashes_read(server) - before == 2


def test_what_is_kept_is_as_old_as_is_allowed(settings: FeatureSettings) -> None:
    # given
    fresh, short = cached(settings, LONG), cached(settings, SHORT)
    assert [reader_level(reader) for reader in (fresh, short)] == [1.0, 1.0]
    # when
    write(settings, level=2.0)
    time.sleep(SHORT)
    # then
    assert [reader_level(reader) for reader in (fresh, short)] == [1.0, 2.0]


def reader_level(reader: CachedOnlineReader) -> object:
    return ask(reader, "d0")[0].values["level"]


def test_without_a_cache_every_request_sees_the_store_as_it_is(settings: FeatureSettings) -> None:
    reader = cached(settings, 0)
    for level in (2.0, 3.0, 4.0):
        write(settings, level)
        assert reader_level(reader) == level


def test_a_kept_row_is_judged_at_each_request_s_own_instant(settings: FeatureSettings) -> None:
    reader = cached(settings, LONG)
    moments = [NOON - timedelta(seconds=1), NOON, NOON + timedelta(hours=1, seconds=1)]
    statuses = [asyncio.run(reader.read([ASKED], [moment]))[0].status["level"] for moment in moments]
    assert statuses == ["missing", "present", "stale"]


def test_no_more_is_kept_than_allowed(settings: FeatureSettings) -> None:
    reader = cached(settings, LONG, entries=5)
    for _ in range(2):
        answers = ask(reader, *DEVICES, "new")
        assert [answer.status["level"] for answer in answers] == ["present"] * len(DEVICES) + ["missing"]
    assert reader._rows is not None
    assert len(reader._rows._kept) == 5


def test_a_caller_that_gives_up_takes_nobody_along(settings: FeatureSettings, server: RedisServer) -> None:
    # given: two callers of one look-up, which the server keeps waiting
    reader = cached(settings, LONG)
    server.hang()

    async def give_up_once() -> list[ServedFeatures]:
        first = asyncio.create_task(reader.read([ASKED], [NOON]))
        second = asyncio.create_task(reader.read([ASKED], [NOON]))
        await asyncio.sleep(0.05)
        # when
        first.cancel()
        await asyncio.sleep(0.05)
        server.go_on()
        return await second

    # then
    assert asyncio.run(give_up_once())[0].status["level"] == "present"


def test_what_could_not_be_read_is_not_kept(settings: FeatureSettings, server: RedisServer) -> None:
    # given
    reader = cached(settings, LONG)
    reader._look_up.outage._retry_seconds = SHORT
    server.hang()
    assert ask(reader, "d0")[0].status["level"] == "default"
    # when
    server.go_on()
    time.sleep(SHORT)
    # then
    assert ask(reader, "d0")[0].status["level"] == "present"


def test_look_ups_that_waited_for_a_thread_do_not_try_a_store_found_away(
    settings: FeatureSettings, server: RedisServer
) -> None:
    # given: many more look-ups than threads, and a store that never answers
    look_up = RowLookup(OnlineReader(settings, "small_v1").rows)
    server.hang()

    async def look_up_at_once() -> list[object]:
        return await asyncio.gather(*[look_up.begin({"small_readings": [b"k"]}) for _ in range(CALLERS)])

    # when
    began = time.monotonic()
    found = asyncio.run(look_up_at_once())
    took = time.monotonic() - began
    server.go_on()
    # then
    assert found == [None] * CALLERS
    assert took < 2.0
