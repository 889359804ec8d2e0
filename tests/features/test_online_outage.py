"""An online store that is away: said by name, without its password; defaults, and recovery by itself."""

import asyncio
import sqlite3
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
import redis
from feast import Field
from feast.types import Bool, Float64, Int64, String
from pydantic import SecretStr

from features.__main__ import main
from features.apply import apply_repository
from features.errors import OnlineStoreError, UnsupportedFeatureError
from features.online.cache import CachedOnlineReader
from features.online.databases import open_rows
from features.online.lookup import LOOKUP_SECONDS
from features.online.outage import RETRY_SECONDS, StoreOutage
from features.online.reader import OnlineReader, ServedFeatures
from features.online.redis_rows import ANSWER_SECONDS
from features.repository.feature_store import open_store
from features.schema.feature_defaults import declared_defaults
from features.settings import FeatureSettings
from tests.features.many_keys import END, build_many_keys
from tests.features.online_servers import RedisServer, free_port, running_postgres
from tests.features.small_world import START, build_world

NOON = START + timedelta(hours=12)
ASKED = {"device": "d0", "site": 1, "due_at": NOON, "amount": 6, "note": "urgent"}
AT_ONCE, BOUNDED = 0.5, ANSWER_SECONDS + 1
PASSWORD = "s3cret!"


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path).start()
    yield server
    server.stop()


@pytest.fixture
def settings(redis_server: RedisServer, tmp_path: Path) -> FeatureSettings:
    settings = build_world(tmp_path / "world", online_store=redis_server.address)
    fill(settings)
    return settings


def fill(settings: FeatureSettings) -> None:
    row = {"device": "d0", "observed_at": NOON, "created_at": NOON, "level": 1.5, "mode": "low", "count": 7}
    open_store(settings).write_to_online_store("readings", pd.DataFrame([row]))


def read(reader: CachedOnlineReader) -> ServedFeatures:
    return asyncio.run(reader.read([ASKED], [NOON]))[0]


@pytest.mark.parametrize(
    "address",
    ["redis://:{password}@127.0.0.1:{port}/3", "postgresql://someone:{password}@127.0.0.1:{port}/online"],
)
def test_a_store_that_is_not_there_is_named_without_its_password(address: str) -> None:
    # given
    port = free_port()
    rows = open_rows(address.format(password=PASSWORD, port=port))
    doings = [
        lambda: rows.fetch({"t": [b"k"]}),
        lambda: rows.upsert({"t": [(b"k", 1, None, b"")]}),
        lambda: rows.lay_out(["t"]),
    ]
    for do in doings:
        # when
        began = time.monotonic()
        with pytest.raises(OnlineStoreError, match=f"127.0.0.1:{port}.*ROUNDTRIP_ONLINE_STORE") as refused:
            do()
        # then
        assert time.monotonic() - began < AT_ONCE
        assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        f"mysql://someone:{PASSWORD}@host/db",
        f"redis://:{PASSWORD}@host:no-port/0",
        f"postgresql://someone:{PASSWORD}@host/db?{PASSWORD}=1",
        PASSWORD,
    ],
)
def test_an_address_that_names_no_store_is_refused_without_being_quoted(address: str) -> None:
    with pytest.raises(OnlineStoreError, match="ROUNDTRIP_ONLINE_STORE") as refused:
        open_rows(address)
    assert PASSWORD not in str(refused.value)
    assert PASSWORD not in repr(FeatureSettings(online_store=address))


@pytest.mark.parametrize("user", ["", f":not-{PASSWORD}@"])
def test_a_refused_password_is_said_and_not_quoted(redis_server: RedisServer, user: str) -> None:
    with redis.Redis.from_url(redis_server.address) as client:
        client.config_set("requirepass", PASSWORD)
    with pytest.raises(OnlineStoreError, match="correct user and password in ROUNDTRIP") as refused:
        open_rows(redis_server.address.replace("//", f"//{user}")).lay_out(["t"])
    assert PASSWORD not in str(refused.value)


@pytest.mark.slow
def test_a_store_that_never_answers_is_given_up(settings: FeatureSettings, redis_server: RedisServer) -> None:
    redis_server.hang()
    began = time.monotonic()
    with pytest.raises(OnlineStoreError, match=f"redis://127.0.0.1:{redis_server.port}"):
        open_rows(redis_server.address).lay_out(["t"])
    assert time.monotonic() - began < BOUNDED


def test_a_server_that_lost_its_data_is_not_taken_for_one_that_knows_nothing(
    settings: FeatureSettings, redis_server: RedisServer
) -> None:
    redis_server.stop()
    redis_server.start()
    with pytest.raises(OnlineStoreError, match="python -m features apply"):
        OnlineReader(settings, "small_v1").read([ASKED], [NOON])


@pytest.mark.parametrize("command", [["apply"], ["materialize", "--as-of", END.isoformat()]])
def test_the_command_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    # given: a world that was applied while its store was there
    world = build_many_keys(tmp_path, f"sqlite:///{tmp_path / 'online.db'}")
    monkeypatch.setenv("ROUNDTRIP_VAR", str(world.var))
    monkeypatch.setenv("ROUNDTRIP_FEATURE_REPO", str(world.feature_repo))
    monkeypatch.setenv("ROUNDTRIP_ONLINE_STORE", f"redis://:{PASSWORD}@127.0.0.1:{free_port()}")
    monkeypatch.setattr(sys, "argv", ["features", *command])
    # when
    with pytest.raises(SystemExit) as ended:
        main()
    # then
    said = capsys.readouterr()
    assert ended.value.code == 1
    assert "OnlineStoreError: " in said.err
    assert "online store redis://127.0.0.1" in said.err
    assert ("view '" in said.err) == (command[0] == "materialize")
    assert "ROUNDTRIP_ONLINE_STORE" in said.err
    assert PASSWORD not in said.out + said.err


def test_while_the_store_is_away_features_have_their_defaults(
    settings: FeatureSettings, redis_server: RedisServer
) -> None:
    # given
    reader = CachedOnlineReader(OnlineReader(settings, "small_v1"), fresh_seconds=0)
    assert read(reader).values["count"] == 7.0
    # when
    redis_server.stop()
    served = read(reader)
    # then: declared, undeclared, and computed from them or from the request alone
    assert (served.values["count"], served.status["count"]) == (2.0, "default")
    assert (served.values["level"], served.status["level"]) == (None, "default")
    assert (served.values["has_level"], served.status["has_level"]) == (0.0, "default")
    assert (served.values["due_hour"], served.status["due_hour"]) == (12.0, "present")
    assert served.age_seconds["count"] is None
    assert str(redis_server.port) in (reader.trouble or "")
    assert reader.read_blocking([ASKED], [NOON])[0] == served


def test_it_recovers_by_itself(settings: FeatureSettings, redis_server: RedisServer) -> None:
    # given
    reader = CachedOnlineReader(OnlineReader(settings, "small_v1"), fresh_seconds=0)
    redis_server.stop()
    assert read(reader).status["level"] == "default"
    # when
    redis_server.start()
    apply_repository(settings)
    fill(settings)
    time.sleep(RETRY_SECONDS)
    # then
    assert (read(reader).status["level"], reader.trouble) == ("present", None)


def test_a_postgresql_that_is_restarted_answers_again(tmp_path: Path) -> None:
    # given
    with running_postgres() as server:
        settings = build_world(tmp_path, online_store=server.get_uri())
        fill(settings)
        reader = CachedOnlineReader(OnlineReader(settings, "small_v1"), fresh_seconds=0)
        assert read(reader).status["level"] == "present"
        # when
        server.stop()
        away = read(reader)
        server.start()
        time.sleep(RETRY_SECONDS)
        # then
        assert (away.values["count"], away.status["count"]) == (2.0, "default")
        assert read(reader).status["level"] == "present"


async def read_beside_a_ticking_clock(reader: CachedOnlineReader) -> tuple[ServedFeatures, float]:
    """Read; what was answered, and the longest that the event loop stood still meanwhile."""
    ticks = [time.monotonic()]

    async def tick() -> None:
        while True:
            await asyncio.sleep(0.01)
            ticks.append(time.monotonic())

    ticking = asyncio.create_task(tick())
    [served] = await reader.read([ASKED], [NOON])
    await asyncio.sleep(0.02)
    ticking.cancel()
    return served, max(after - before for before, after in pairwise(ticks))


def test_a_store_that_hangs_holds_up_one_request_and_never_the_event_loop(
    settings: FeatureSettings, redis_server: RedisServer
) -> None:
    # given
    reader = CachedOnlineReader(OnlineReader(settings, "small_v1"), fresh_seconds=0)
    redis_server.hang()
    # when
    began = time.monotonic()
    served, stood_still = asyncio.run(read_beside_a_ticking_clock(reader))
    first = time.monotonic() - began
    second_began = time.monotonic()
    again = read(reader)
    second = time.monotonic() - second_began
    redis_server.go_on()
    # then
    assert served.status["level"] == again.status["level"] == "default"
    assert first < LOOKUP_SECONDS + AT_ONCE
    assert stood_still < LOOKUP_SECONDS / 3
    assert second < LOOKUP_SECONDS / 2


def test_a_locked_file_is_waited_for_beside_the_event_loop(tmp_path: Path) -> None:
    # given
    settings, copied = build_world(tmp_path), tmp_path / "copied.db"
    fill(settings)
    with sqlite3.connect(settings.online_db) as original:
        original.execute("VACUUM INTO ?", [str(copied)])
    elsewhere = settings.model_copy(update={"online_store": SecretStr(f"sqlite:///{copied}")})
    reader = CachedOnlineReader(OnlineReader(elsewhere, "small_v1"), fresh_seconds=0)
    holder = sqlite3.connect(copied, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN EXCLUSIVE")

    async def release_soon() -> tuple[ServedFeatures, float]:
        asyncio.get_running_loop().call_later(0.1, holder.execute, "COMMIT")
        return await read_beside_a_ticking_clock(reader)

    # when
    served, stood_still = asyncio.run(release_soon())
    holder.close()
    # then
    assert served.status["level"] == "present"
    assert stood_still < 0.1


def test_one_look_up_a_second_tries_a_store_that_is_away() -> None:
    # given
    outage = StoreOutage(retry_seconds=0.05)
    assert outage.allows()
    asked_at = time.monotonic()
    # when
    outage.begin(OnlineStoreError("away"))
    # then
    assert outage.began_since(asked_at)
    assert not outage.allows()
    time.sleep(0.06)
    assert [outage.allows() for _ in range(3)] == [True, False, False]
    outage.end()
    assert outage.allows()
    assert outage.trouble is None


def test_defaults_are_declared_by_tag() -> None:
    declared = {
        "text": (String, "n/a"),
        "number": (Float64, "0.5"),
        "whole": (Int64, "3"),
        "flag": (Bool, "true"),
    }
    fields = [Field(name=name, dtype=kind, tags={"default": text}) for name, (kind, text) in declared.items()]
    assert declared_defaults([*fields, Field(name="bare", dtype=Float64)]) == {
        "text": "n/a",
        "number": 0.5,
        "whole": 3,
        "flag": True,
    }
    with pytest.raises(UnsupportedFeatureError, match=r"'whole'.*'few'"):
        declared_defaults([Field(name="whole", dtype=Int64, tags={"default": "few"})])
