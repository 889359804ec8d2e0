"""Online equals offline for every view of the repositories, in every online store; nothing leaks into one."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pandas as pd
import pytest
from feast import FeatureService
from pydantic import SecretStr

from features.apply import apply_repository
from features.compute.engine import Builder
from features.contract import read_examples
from features.flight_delay.build import TABLES
from features.flight_delay.raw import RawTables
from features.offline.historical import historical_features
from features.online.codec import decode_row
from features.online.feed import OnlineFeed
from features.online.reader import OnlineReader, ServedFeatures
from features.repository.feature_store import open_store
from features.settings import FeatureSettings
from features.timestamps import BEGINNING
from tests.features.online_servers import STORES, Servers, stored_rows
from tests.features.small_world import build_world, make_examples
from tests.features.test_parity import assert_equal, count_statuses
from tests.flight_delay.features.built_tables import build_tables
from tests.flight_delay.features.conftest import END, START
from tests.flight_delay.features.forgetting import forget
from tests.flight_delay.features.test_leakage import BUSY, unfinished_weather
from tests.frames import records

SAMPLE = 240
SEED = 11
EVERYTHING = "everything"
Contents = dict[tuple[str, bytes], tuple[int, tuple[tuple[str, object], ...]]]


@dataclass(frozen=True)
class World:
    """An applied repository with a service per view, one over all, and what history says of its examples."""

    settings: FeatureSettings
    examples: pd.DataFrame
    history: Mapping[str, pd.DataFrame]

    def over(self, address: str) -> FeatureSettings:
        """The same repository over another online store, laid out."""
        settings = self.settings.model_copy(update={"online_store": SecretStr(address)})
        apply_repository(settings)
        add_services(settings)
        return settings


def add_services(settings: FeatureSettings) -> list[str]:
    """A service per view, since two views may name a feature alike, and one over all of them."""
    store = open_store(settings)
    views = store.list_feature_views()
    services = [FeatureService(name=f"only_{view.name}", features=[view]) for view in views]
    for service in [*services, FeatureService(name=EVERYTHING, features=[*views])]:
        store.registry.apply_feature_service(service, store.project)
    return [service.name for service in services]


def world_of(settings: FeatureSettings, examples: pd.DataFrame) -> World:
    examples = examples.sort_values(["event_timestamp", "example_id"])
    services, store = add_services(settings), open_store(settings)
    return World(settings, examples, {name: historical_features(store, name, examples) for name in services})


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> World:
    return world_of(build_world(tmp_path_factory.mktemp("small")), make_examples(rows=SAMPLE))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, days: Path) -> World:
    """Ten days, and some examples of an aircraft, an airline or an airport that nobody knows."""
    settings = over_tables(tmp_path_factory.mktemp("real"), days)
    examples = read_examples(days, START, END).sample(SAMPLE, random_state=SEED)
    for position, key in enumerate(("tailnum", "carrier", "dest")):
        column = list(examples.columns).index(key)
        examples.iloc[position * 20 : position * 20 + 20, column] = "N0NE"
    return world_of(settings, examples)


def over_tables(folder: Path, tables: Path, address: str | None = None) -> FeatureSettings:
    """The room's own repository, applied over tables that lie elsewhere."""
    settings = FeatureSettings(var=folder, online_store=address)
    settings.features_dir.mkdir(parents=True)
    settings.tables.symlink_to(tables)
    apply_repository(settings)
    return settings


def serve_in_time(settings: FeatureSettings, world: World) -> dict[str, list[ServedFeatures]]:
    """Relive the examples in order: feed each instant to all views, then read its examples view by view."""
    feed = OnlineFeed(settings, EVERYTHING, world.examples)
    readers = {name: OnlineReader(settings, name) for name in world.history}
    served: dict[str, list[ServedFeatures]] = {name: [] for name in readers}
    for instant, group in groupby(records(world.examples), key=lambda row: row["event_timestamp"]):
        rows, moment = list(group), instant.to_pydatetime()
        feed.advance(moment)
        for name, reader in readers.items():
            served[name] += reader.read(rows, [moment] * len(rows))
    return served


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("name", ["small", "real"])
def test_every_view_serves_what_history_has(
    request: pytest.FixtureRequest, servers: Servers, tmp_path: Path, name: str, kind: str
) -> None:
    # given
    world: World = request.getfixturevalue(name)
    settings = world.over(servers.fresh_address(kind, tmp_path))
    # when
    served = serve_in_time(settings, world)
    # then
    assert served.keys() == {f"only_{view.name}" for view in open_store(settings).list_feature_views()}
    for service, answers in served.items():
        assert_equal(answers, world.history[service])
    statuses = count_statuses([answer for answers in served.values() for answer in answers])
    assert all(statuses[status] for status in ("present", "missing", "stale")), statuses
    assert not statuses["default"]


@pytest.mark.parametrize("kind", STORES)
def test_what_is_materialised_is_what_history_has_at_that_instant(
    real: World, servers: Servers, tmp_path: Path, kind: str
) -> None:
    # given: the examples' keys, all asked at one instant
    settings = real.over(servers.fresh_address(kind, tmp_path))
    asked = real.examples.assign(event_timestamp=pd.Timestamp(BUSY))
    # when
    store = open_store(settings)
    store.materialize(BEGINNING, BUSY)
    # then
    for name in real.history:
        served = OnlineReader(settings, name).read(records(asked), [BUSY] * len(asked))
        assert_equal(served, historical_features(store, name, asked))


def materialised(settings: FeatureSettings) -> Contents:
    """What the online store holds once everything known by `BUSY` is in it."""
    open_store(settings).materialize(BEGINNING, BUSY)
    rows = stored_rows(settings.online_address.get_secret_value())
    return {
        place: (event, tuple(sorted(decode_row(features).items())))
        for place, (event, _, features) in rows.items()
    }


@dataclass(frozen=True)
class Forgotten:
    """Tables built from raw data without what became known after `BUSY`, soundly and with a leak put in."""

    sound: Path
    leaking: Path


@pytest.fixture(scope="module")
def forgotten(tmp_path_factory: pytest.TempPathFactory, raw_days: RawTables, days: Path) -> Forgotten:
    raw, folder = forget(raw_days, days, BUSY), tmp_path_factory.mktemp("forgotten")
    leaks: Mapping[str, Builder] = {**TABLES, "weather.parquet": unfinished_weather}
    build_tables(raw, folder / "sound")
    build_tables(raw, folder / "leaking", leaks)
    return Forgotten(folder / "sound", folder / "leaking")


@pytest.mark.parametrize("kind", STORES)
def test_what_was_not_yet_known_is_in_no_online_store(
    servers: Servers, tmp_path: Path, days: Path, forgotten: Forgotten, kind: str
) -> None:
    # when
    knowing_all, knowing_then = (
        materialised(over_tables(tmp_path / tables.name, tables, servers.fresh_address(kind, tmp_path)))
        for tables in (days, forgotten.sound)
    )
    # then
    assert len(knowing_all) > SAMPLE
    assert knowing_all == knowing_then
    assert max(event for event, _ in knowing_all.values()) <= BUSY.timestamp() * 1e6


def test_a_leak_put_in_on_purpose_is_found_online_too(
    tmp_path: Path, days: Path, forgotten: Forgotten
) -> None:
    knowing_all, leaking = (
        materialised(over_tables(tmp_path / tables.name, tables)) for tables in (days, forgotten.leaking)
    )
    assert {table for table, _ in dict(knowing_all.items() ^ leaking.items())} == {"roundtrip_weather"}
