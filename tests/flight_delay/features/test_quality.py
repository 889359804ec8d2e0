"""A built table that is not what it must be is refused by name, with its rows kept and nothing replaced."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import ibis
import pandas as pd
import pytest
from feast import FeatureView

from features.compute.engine import Sources
from features.contract import EXAMPLES, OUTCOMES
from features.errors import TableLayoutError, TableQualityError, TableTimeError
from features.flight_delay import definitions
from features.flight_delay.build import TABLES
from features.flight_delay.expectations import EXPECTATIONS
from features.flight_delay.raw import RawTables
from features.quality.built import open_built_check
from features.quality.quarantine import REASON_FILE, ROWS_FILE
from features.quality.record import RECORD_FILE, read_newest_records
from tests.flight_delay.features.built_tables import build_tables
from tests.flight_delay.features.conftest import END, START

OPERATIONS, WEATHER = "origin_operations.parquet", "weather.parquet"
KNOWN_UNTIL = END - timedelta(hours=1)
# The raw files lack the weather of the year's last day, and hours of some nights.
OLDER_THAN_ITS_TTL = {"weather"}
Spoil = Callable[[pd.DataFrame], pd.DataFrame]


def check_spoilt(days: Path, folder: Path, name: str, spoil: Spoil) -> None:
    """Write the real table, spoilt, and check it as a build does."""
    spoil(pd.read_parquet(days / name)).to_parquet(folder / name, index=False)
    with open_built_check(EXPECTATIONS, folder, KNOWN_UNTIL, END) as check:
        check(folder / name)


def move(table: pd.DataFrame, by: timedelta) -> pd.DataFrame:
    return table.assign(event_timestamp=table["event_timestamp"] + by)


def lose_a_day(table: pd.DataFrame) -> pd.DataFrame:
    since = table["event_timestamp"] - START
    return table[(since < timedelta(days=2)) | (since > timedelta(days=3))]


def as_type(table: pd.DataFrame, dtype: str) -> pd.DataFrame:
    instants = table["event_timestamp"]
    naive = instants if "UTC" in dtype else instants.dt.tz_localize(None)
    return table.assign(event_timestamp=naive.astype(dtype))  # type: ignore[call-overload]


def test_every_table_is_expected_and_passes(days: Path) -> None:
    assert (
        {f"{name}.parquet" for name in EXPECTATIONS} == set(TABLES) == {path.name for path in days.iterdir()}
    )
    with open_built_check(EXPECTATIONS, days.parent, KNOWN_UNTIL, END) as check:
        for name in TABLES:
            check(days / name)


def test_a_table_may_be_as_old_as_its_view_says() -> None:
    views = [found for found in vars(definitions).values() if isinstance(found, FeatureView)]
    lifetimes = {view.name: EXPECTATIONS[view.name].lifetime or timedelta(0) for view in views}
    assert {view.name for view in views if view.ttl != lifetimes[view.name]} == OLDER_THAN_ITS_TTL


@pytest.mark.parametrize(
    ("name", "spoil", "error", "said"),
    [
        (OPERATIONS, lambda t: t.assign(backlog=-1.0), TableQualityError, "backlog: greater_than"),
        (OPERATIONS, lambda t: t.assign(backlog=float("nan")), TableQualityError, "backlog: at most 98%"),
        (OPERATIONS, lambda t: t.assign(backlog_share=1.5), TableQualityError, "backlog_share: in_range"),
        (OPERATIONS, lambda t: t.drop(columns="departures_2h"), TableLayoutError, "departures_2h: column is"),
        (OPERATIONS, lambda t: t.assign(departures_2h="many"), TableLayoutError, "number, found VARCHAR"),
        (OPERATIONS, lambda t: t.assign(surprise=1.0), TableQualityError, "surprise"),
        (OPERATIONS, lambda t: pd.concat([t, t.head(1)]), TableQualityError, "multiple_fields_uniqueness"),
        (OPERATIONS, lambda t: as_type(t, "datetime64[us]"), TableLayoutError, "with a zone, found none"),
        (OPERATIONS, lambda t: as_type(t, "datetime64[ns, UTC]"), TableLayoutError, "found nanoseconds"),
        (OPERATIONS, lambda t: move(t, timedelta(days=9)), TableTimeError, "no row after"),
        (OPERATIONS, lambda t: move(t, -timedelta(hours=6)), TableTimeError, "it stopped "),
        (
            OPERATIONS,
            lambda t: lose_a_day(t),
            TableTimeError,
            "a row at least every 0:30:00, found none for 1",
        ),
        (
            WEATHER,
            lambda t: pd.concat([t.assign(temp=None)] * 2),
            TableQualityError,
            "temp: at most 5% missing",
        ),
        (EXAMPLES, lambda t: pd.concat([t, t.head(1)]), TableQualityError, "example_id"),
        (EXAMPLES, lambda t: t.assign(scheduled_arrival=t["event_timestamp"]), TableQualityError, "arrives_"),
        (OUTCOMES, lambda t: t.assign(arr_delay=0.0), TableQualityError, "known_together"),
    ],
)
def test_a_spoilt_table_is_refused(
    days: Path, tmp_path: Path, name: str, spoil: Spoil, error: type[TableQualityError], said: str
) -> None:
    with pytest.raises(TableQualityError) as refused:
        check_spoilt(days, tmp_path, name, spoil)

    view, message = Path(name).stem, str(refused.value)
    assert refused.type is error
    assert message.startswith(f"{view} is not fit")
    assert said in message
    assert "To mend it: " in message
    (kept,) = (tmp_path / "quarantine" / view).iterdir()
    assert str(kept / ROWS_FILE) in message
    assert (kept / REASON_FILE).read_text().strip() == message


def test_a_table_of_several_files_is_one_table(days: Path, tmp_path: Path) -> None:
    # Given a folder of files, one of which holds a row that another one has too
    table = pd.read_parquet(days / WEATHER)
    folder = tmp_path / WEATHER
    folder.mkdir()
    table.to_parquet(folder / "part-0.parquet", index=False)
    with open_built_check(EXPECTATIONS, tmp_path, KNOWN_UNTIL, END) as check:
        check(folder)
        table.tail(1).to_parquet(folder / "part-1.parquet", index=False)
        with pytest.raises(TableQualityError, match="multiple_fields_uniqueness"):
            check(folder)


def test_the_offending_rows_are_kept(days: Path, tmp_path: Path) -> None:
    def spoil(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[[3, 7], "backlog"] = -5.0
        return table

    with pytest.raises(TableQualityError):
        check_spoilt(days, tmp_path, OPERATIONS, spoil)

    (rows,) = tmp_path.rglob(ROWS_FILE)
    expected = spoil(pd.read_parquet(days / OPERATIONS)).loc[[3, 7]].reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.read_parquet(rows), expected)


def test_what_was_measured_is_on_record_even_of_a_refused_table(days: Path, tmp_path: Path) -> None:
    with pytest.raises(TableTimeError):
        check_spoilt(days, tmp_path, OPERATIONS, lambda table: move(table, -timedelta(hours=6)))

    record = read_newest_records(tmp_path / RECORD_FILE)["origin_operations"]
    assert record.as_of == KNOWN_UNTIL
    assert record.freshness_seconds is not None
    assert record.freshness_limit_seconds == timedelta(minutes=30).total_seconds()
    assert record.freshness_seconds > timedelta(hours=5).total_seconds()
    truth = pd.read_parquet(tmp_path / OPERATIONS)["backlog_wait"].isna().mean()
    assert record.null_rate["backlog_wait"] == pytest.approx(truth)


def test_a_broken_table_leaves_all_earlier_tables(raw_days: RawTables, tmp_path: Path) -> None:
    # Given earlier tables, and a builder that goes wrong in the middle of the build
    tables = tmp_path / "tables"
    tables.mkdir()
    for name in TABLES:
        (tables / name).write_bytes(b"of an earlier build")

    def lose_a_column(sources: Sources) -> ibis.Table:
        return TABLES[WEATHER](sources).drop("temp")

    # When
    with pytest.raises(TableLayoutError, match=r"weather is not fit"):
        build_tables(raw_days, tables, {**TABLES, WEATHER: lose_a_column})

    # Then
    assert {path.read_bytes() for path in tables.iterdir()} == {b"of an earlier build"}
    assert {path.name for path in tmp_path.iterdir()} == {"tables", "quarantine", RECORD_FILE}
