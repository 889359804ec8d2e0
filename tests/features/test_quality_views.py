"""What a view says of its table is enforced before anything is written online, with nothing hand-written."""

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from feast.data_source import PushMode
from typer.testing import CliRunner, Result

from features import __main__ as commands
from features.apply import apply_repository
from features.errors import (
    RepositoryError,
    TableLayoutError,
    TableMissingError,
    TableQualityError,
    TableTimeError,
)
from features.quality.quarantine import ROWS_FILE
from features.quality.record import RECORD_FILE, read_newest_records
from features.quality.views import check_before_writing, check_tables
from features.repository.feature_store import open_store
from features.settings import FeatureSettings
from features.streaming.pushing import RowPusher
from tests.features.small_world import HOURS, build_world
from tests.features.small_world import REPOSITORY as SMALL
from tests.features.small_world import START as SMALL_START
from tests.second_problem.tables import DAYS, HORIZON, START, write_tables
from tests.second_problem.world import REPOSITORY

VIEW, TABLE = "recent_demand", "recent_demand.parquet"
AS_OF = START + timedelta(days=20)
PRESENT = START + timedelta(days=DAYS) + HORIZON
Spoil = Callable[[pd.DataFrame], pd.DataFrame]

HAND_WRITTEN = """
import pandera.pandas as pa
from features.quality.expectation import Expectation

EXPECTATIONS = {
    "recent_demand": Expectation(
        pa.DataFrameSchema({"rides_last_hour": pa.Column(float, pa.Check.le(1.0))}),
        null_shares={"rides_last_day": 0.1},
    )
}
"""


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables and registry of a repository that has no expectations of its own."""
    settings = settings_of(tmp_path_factory.mktemp("docks") / "var")
    write_tables(settings.tables)
    apply_repository(settings)
    return settings.var


@pytest.fixture
def settings(untouched: Path, tmp_path: Path) -> FeatureSettings:
    return settings_of(Path(shutil.copytree(untouched, tmp_path / "var")))


def settings_of(var: Path, repository: Path = REPOSITORY) -> FeatureSettings:
    return FeatureSettings(var=var, feature_repo=repository)


def spoil_table(settings: FeatureSettings, spoil: Spoil) -> pd.DataFrame:
    table = spoil(pd.read_parquet(settings.tables / TABLE))
    table.to_parquet(settings.tables / TABLE, index=False)
    return table


def run(settings: FeatureSettings, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    monkeypatch.setenv("ROUNDTRIP_VAR", str(settings.var))
    monkeypatch.setenv("ROUNDTRIP_FEATURE_REPO", str(settings.feature_repo))
    return CliRunner().invoke(commands.app, list(arguments))


def stored(settings: FeatureSettings) -> float | None:
    store = open_store(settings)
    found = store.get_online_features([f"{VIEW}:rides_last_hour"], [{"station": "quay"}]).to_dict()
    value: float | None = found["rides_last_hour"][0]
    return value


def as_type(table: pd.DataFrame, dtype: str) -> pd.DataFrame:
    instants = table["event_timestamp"]
    naive = instants if "UTC" in dtype else instants.dt.tz_localize(None)
    return table.assign(event_timestamp=naive.astype(dtype))  # type: ignore[call-overload]


SPOILT: list[tuple[Spoil, type[TableQualityError], str]] = [
    (lambda t: t.drop(columns="rides_last_day"), TableLayoutError, "rides_last_day: column is there"),
    (lambda t: t.drop(columns="station"), TableLayoutError, "station: column is there"),
    (lambda t: t.assign(rides_last_day="many"), TableLayoutError, "column is number, found VARCHAR"),
    (lambda t: t.assign(station=range(len(t))), TableLayoutError, "station: column is text"),
    (lambda t: as_type(t, "datetime64[us]"), TableLayoutError, "timestamps with a zone"),
    (lambda t: as_type(t, "datetime64[ns, UTC]"), TableLayoutError, "timestamps in microseconds"),
    (lambda t: t.assign(event_timestamp="2024-03-02T00:00:00Z"), TableLayoutError, "found VARCHAR"),
    (lambda t: t[t["event_timestamp"] < AS_OF - timedelta(days=1)], TableTimeError, "it stopped"),
    (lambda t: t[t["event_timestamp"].dt.day != 5], TableTimeError, "a row at least every 6:00:00"),
    (lambda t: t.assign(rides_last_day=None), TableQualityError, "at most 98% missing, found 100.0%"),
    (lambda t: t.assign(station=None), TableQualityError, "station: not_nullable"),
]


@pytest.mark.parametrize(("spoil", "error", "said"), SPOILT)
def test_nothing_is_written_of_a_spoilt_table(
    settings: FeatureSettings, spoil: Spoil, error: type[TableQualityError], said: str
) -> None:
    spoil_table(settings, spoil)

    with pytest.raises(TableQualityError) as refused:
        check_before_writing(settings, open_store(settings), AS_OF)

    message = str(refused.value)
    assert refused.type is error
    assert message.startswith(f"{VIEW} is not fit")
    assert said in message
    assert "To mend it: " in message
    assert str(next((settings.features_dir / "quarantine" / VIEW).rglob(ROWS_FILE))) in message


def test_the_command_writes_nothing_when_refused_and_all_when_not(
    settings: FeatureSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = pd.read_parquet(settings.tables / TABLE)
    spoil_table(settings, lambda table: table[table["event_timestamp"] < AS_OF - timedelta(days=1)])
    moment = ["--as-of", AS_OF.isoformat()]

    refused = run(settings, monkeypatch, "materialize", *moment)
    assert isinstance(refused.exception, TableTimeError)
    assert stored(settings) is None

    spoil_table(settings, lambda _: sound)
    assert run(settings, monkeypatch, "materialize", *moment).exit_code == 0
    newest = sound[(sound["station"] == "quay") & (sound["event_timestamp"] == AS_OF)]
    assert stored(settings) == newest["rides_last_hour"].item()


def test_a_later_row_is_not_yet_used_when_writing_but_in_the_future_when_checked(
    settings: FeatureSettings,
) -> None:
    store = open_store(settings)
    check_before_writing(settings, store, AS_OF)

    with pytest.raises(TableTimeError, match="no row after") as refused:
        check_tables(settings, store, AS_OF)

    (rows,) = (settings.features_dir / "quarantine" / VIEW).rglob(ROWS_FILE)
    assert str(rows) in str(refused.value)
    assert (pd.read_parquet(rows)["event_timestamp"] > AS_OF).all()


def test_two_rows_of_one_key_and_instant_are_refused(settings: FeatureSettings) -> None:
    table = spoil_table(
        settings, lambda table: pd.concat([table, table.tail(1).assign(rides_last_hour=-1.0)])
    )

    with pytest.raises(TableQualityError, match="multiple_fields_uniqueness"):
        check_tables(settings, open_store(settings), PRESENT)

    (rows,) = settings.features_dir.rglob(ROWS_FILE)
    pd.testing.assert_frame_equal(
        pd.read_parquet(rows)[list(table)].sort_values("rides_last_hour", ignore_index=True),
        table[table["event_timestamp"].eq(table["event_timestamp"].iloc[-1]) & table["station"].eq("hill")]
        .sort_values("rides_last_hour", ignore_index=True)
        .astype({"event_timestamp": "datetime64[us, UTC]"}),
    )


def test_every_check_is_on_record(settings: FeatureSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = run(settings, monkeypatch, "check", "--as-of", PRESENT.isoformat())

    assert checked.exit_code == 0, checked.output
    records = read_newest_records(settings.features_dir / RECORD_FILE)
    table = pd.read_parquet(settings.tables / TABLE)
    assert set(records) == {VIEW, "station_facts"}
    assert f"{VIEW}: {len(table)} rows" in checked.output
    assert records[VIEW].occasion == "check"
    assert records[VIEW].freshness_seconds == (PRESENT - table["event_timestamp"].max()).total_seconds()
    assert records[VIEW].freshness_limit_seconds == timedelta(hours=6).total_seconds()
    assert records["station_facts"].freshness_limit_seconds is None


@pytest.mark.parametrize("moment", ["2024-03-21T00:00Z", "2024-03-21T02:00:00+02:00"])
def test_a_moment_carries_its_zone(
    settings: FeatureSettings, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    assert run(settings, monkeypatch, "materialize", "--as-of", moment).exit_code == 0
    assert read_newest_records(settings.features_dir / RECORD_FILE)[VIEW].as_of == AS_OF


NAIVE_MOMENTS = [
    ("build", "--start"),
    ("build", "--end"),
    ("materialize", "--as-of"),
    ("check", "--as-of"),
    ("replay-events", "--start"),
    ("stream", "--push-from"),
]


@pytest.mark.parametrize(("command", "option"), NAIVE_MOMENTS)
def test_a_moment_without_a_zone_is_refused_by_every_command(
    settings: FeatureSettings, monkeypatch: pytest.MonkeyPatch, command: str, option: str
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    refused = run(settings, monkeypatch, command, option, "2024-03-21")
    assert refused.exit_code == 2
    assert "'2024-03-21' has no zone; write it as 2024-03-21T00:00:00Z" in refused.output
    assert not (settings.features_dir / RECORD_FILE).exists()


def test_a_table_that_is_not_there_is_named(settings: FeatureSettings) -> None:
    (settings.tables / TABLE).unlink()
    with pytest.raises(TableMissingError, match=VIEW):
        check_before_writing(settings, open_store(settings), AS_OF)


def test_hand_written_expectations_come_on_top(settings: FeatureSettings, tmp_path: Path) -> None:
    repository = Path(shutil.copytree(REPOSITORY, tmp_path / "repository"))
    (repository / "expectations.py").write_text(HAND_WRITTEN)
    stricter = settings_of(settings.var, repository)
    with pytest.raises(TableQualityError, match="rides_last_hour: less_than_or_equal_to"):
        check_before_writing(stricter, open_store(stricter), AS_OF)

    spoil_table(
        settings,
        lambda table: table.assign(rides_last_day=table["rides_last_day"].where(table.index % 2 == 0)),
    )
    with pytest.raises(TableQualityError, match="rides_last_day: at most 10% missing"):
        check_before_writing(stricter, open_store(stricter), AS_OF)


def test_a_file_without_expectations_is_named(settings: FeatureSettings, tmp_path: Path) -> None:
    repository = Path(shutil.copytree(REPOSITORY, tmp_path / "repository"))
    (repository / "expectations.py").write_text("EXPECTED = {}\n")
    with pytest.raises(RepositoryError, match="must define `EXPECTATIONS`"):
        check_before_writing(settings_of(settings.var, repository), open_store(settings), AS_OF)


def test_every_shape_of_view_can_be_checked(tmp_path: Path) -> None:
    """Renamed columns, creation times, two keys, no key, no TTL."""
    settings = build_world(tmp_path / "var")
    as_of: datetime = SMALL_START + timedelta(hours=20)
    measures = check_before_writing(settings, open_store(settings), as_of)
    assert set(measures) == {"readings", "site_load", "pairing", "season"}
    assert measures["readings"].rows < 300 < 300 * HOURS
    assert set(measures["readings"].null_rate) == {"raw_level", "mode", "count"}


NARROW = """
import pandera.pandas as pa
from features.quality.expectation import Expectation

EXPECTATIONS = {
    "site_load": Expectation(pa.DataFrameSchema({"load": pa.Column(float, pa.Check.in_range(0, 1))}))
}
"""


@pytest.fixture
def narrow(tmp_path: Path) -> FeatureSettings:
    """The small repository, which expects loads between 0 and 1."""
    repository = Path(shutil.copytree(SMALL, tmp_path / "repository"))
    (repository / "expectations.py").write_text(NARROW)
    return build_world(tmp_path / "var").model_copy(update={"feature_repo": repository})


def load_of(settings: FeatureSettings) -> float | None:
    answer = open_store(settings).get_online_features(["site_load:load"], [{"site": 1}]).to_dict()
    value: float | None = answer["load"][0]
    return value


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"load": 2.0}, r"load: in_range\(0, 1\)"),
        ({"load": "much"}, "load: "),
        ({"event_timestamp": pd.NaT}, "event_timestamp: not_nullable"),
    ],
)
def test_pushed_rows_that_break_their_views_expectations_are_refused(
    narrow: FeatureSettings, changes: dict[str, object], said: str
) -> None:
    # given
    store, table = open_store(narrow), narrow.tables / "site_load.parquet"
    sound = {"site": 1, "event_timestamp": pd.Timestamp(AS_OF), "load": 0.5, "open": True}
    before = table.read_bytes()
    # when
    with pytest.raises(TableQualityError, match=said):
        store.push("site_load_push", pd.DataFrame([sound, sound | changes]), to=PushMode.ONLINE_AND_OFFLINE)
    # then
    assert load_of(narrow) is None
    assert table.read_bytes() == before
    assert len(pd.read_parquet(next(narrow.features_dir.rglob(ROWS_FILE)))) >= 1
    store.push("site_load_push", pd.DataFrame([sound]))
    assert load_of(narrow) == 0.5


def test_rows_of_events_that_break_their_views_expectations_are_set_aside(
    narrow: FeatureSettings, caplog: pytest.LogCaptureFixture
) -> None:
    # given
    row = {"event_timestamp": pd.Timestamp(AS_OF).as_unit("us"), "open": True}
    rows = [row | {"site": 1, "load": 0.5}, row | {"site": 2, "load": 7.0}]
    pusher = RowPusher(narrow)
    # when
    pusher.add({"site_load": pd.DataFrame(rows).astype({"load": "float32"})})
    pusher.push_online()
    # then
    assert pusher.waiting == 1
    assert load_of(narrow) == 0.5
    assert "in_range(0, 1)" in caplog.text
    assert pd.read_parquet(next(narrow.features_dir.rglob(ROWS_FILE)))["site"].tolist() == [2]
