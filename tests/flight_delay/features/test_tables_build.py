"""The build on real days: clocks that agree with the raw file, honest empty windows, the commands."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from features import __main__ as commands
from features.flight_delay.build import TABLES
from features.flight_delay.legs import SHORTEST_LEG
from features.flight_delay.raw import RawTables, find_raw_dir
from features.flight_delay.tables.facts import KNOWN_SINCE
from features.settings import REPOSITORY, FeatureSettings
from tests.flight_delay.features.built_tables import build_tables


@pytest.fixture(scope="module")
def examples(days: Path) -> pd.DataFrame:
    return pd.read_parquet(days / "examples.parquet").set_index("example_id")


def test_every_flight_is_one_example_and_one_outcome(days: Path, raw_days: RawTables) -> None:
    examples, outcomes = (pd.read_parquet(days / f"{name}.parquet") for name in ("examples", "outcomes"))
    assert examples["example_id"].is_unique
    assert len(examples) == raw_days.flights.num_rows
    assert set(outcomes["example_id"]) == set(examples["example_id"])


def test_two_builds_of_the_same_raw_files_are_the_same_bytes(raw_days: RawTables, tmp_path: Path) -> None:
    builders = {name: TABLES[name] for name in ("origin_operations.parquet", "aircraft_legs.parquet")}
    one, other = (build_tables(raw_days, tmp_path / again / "tables", builders) for again in ("one", "other"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]


@pytest.mark.parametrize(
    ("example", "departure", "arrival"),
    [
        # 21:00 in New York, 0:31 of the next day in Los Angeles
        ("20130201-JFK-DL-2363", "2013-02-02 02:00", "2013-02-02 08:31"),
        # 6:10 in New York, 10:51 in Puerto Rico, which is not in airports.csv
        ("20130201-JFK-B6-709", "2013-02-01 11:10", "2013-02-01 14:51"),
    ],
)
def test_published_times_are_read_on_their_airports_clocks(
    examples: pd.DataFrame, example: str, departure: str, arrival: str
) -> None:
    found = examples.loc[example]
    assert found["scheduled_departure"] == pd.Timestamp(departure, tz="UTC")
    assert found["scheduled_arrival"] == pd.Timestamp(arrival, tz="UTC")


def test_no_leg_is_shorter_or_longer_than_legs_are(examples: pd.DataFrame) -> None:
    under_way: Any = examples["scheduled_arrival"] - examples["scheduled_departure"]
    minutes = under_way / timedelta(minutes=1)
    assert minutes.min() >= SHORTEST_LEG
    assert minutes.max() < 12 * 60
    speed = examples["distance"] / minutes
    assert speed.max() < 10  # miles a minute, with time on the ground


def test_the_outcome_is_known_at_the_arrival(days: Path, examples: pd.DataFrame) -> None:
    outcomes = pd.read_parquet(days / "outcomes.parquet").set_index("example_id")
    late_by = pd.to_timedelta(outcomes["arr_delay"], unit="min")
    expected = examples["scheduled_arrival"].reindex(outcomes.index) + late_by
    assert (outcomes["known_at"].isna() == expected.isna()).all()
    assert (outcomes["known_at"].dropna() == expected.dropna()).all()


def test_quiet_nights_have_rows_of_zeros(days: Path) -> None:
    origin = pd.read_parquet(days / "origin_operations.parquet")
    quiet = origin[origin["departures_2h"] == 0]
    assert len(quiet) > 100
    assert quiet["departure_delay_2h"].isna().all()
    assert origin["backlog"].notna().all()


def test_the_snowstorm_shows_in_the_backlog(days: Path) -> None:
    origin = pd.read_parquet(days / "origin_operations.parquet").set_index("event_timestamp")
    by_day = origin.groupby(origin.index.date)["backlog_share"].mean()  # type: ignore[attr-defined]
    assert by_day[date(2013, 2, 8)] > 3 * by_day[date(2013, 2, 5)]


def test_facts_are_known_before_the_first_flight(days: Path) -> None:
    facts = pd.read_parquet(days / "destination_facts.parquet").set_index("dest")
    assert (facts["event_timestamp"] == KNOWN_SINCE).all()
    assert facts.loc["SJU", "dest_zone"] == "America/Puerto_Rico"
    assert facts.loc["LAX", "dest_zone"] == "America/Los_Angeles"


def test_the_commands_build_apply_and_fill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a fresh var folder
    monkeypatch.setenv("ROUNDTRIP_VAR", str(tmp_path))
    settings = FeatureSettings()
    period = ["--start", "2013-02-01T00:00Z", "--end", "2013-02-03T00:00Z"]

    # When
    runs = [
        CliRunner().invoke(commands.app, arguments)
        for arguments in (["build", *period], ["apply"], ["materialize", "--as-of", "2013-02-02T18:00:00Z"])
    ]

    # Then
    assert [run.exit_code for run in runs] == [0, 0, 0], [run.output for run in runs]
    built = pd.read_parquet(settings.tables / "examples.parquet")
    assert built["scheduled_departure"].min() >= datetime(2013, 2, 1, tzinfo=UTC)
    assert built["scheduled_departure"].max() < datetime(2013, 2, 3, 1, tzinfo=UTC)
    assert settings.registry_db.is_file()
    assert settings.online_db.stat().st_size > 0


def test_a_refused_build_says_so_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROUNDTRIP_VAR", str(tmp_path))
    monkeypatch.setenv("ROUNDTRIP_RAW_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setattr("sys.argv", ["features", "build"])
    with pytest.raises(SystemExit) as ended:
        commands.main()
    assert ended.value.code == 1
    assert "flights.csv.zip is missing" in capsys.readouterr().err


def test_settings_take_the_folder_of_the_package_and_move_with_var(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUNDTRIP_VAR", str(tmp_path))
    settings = FeatureSettings()
    assert settings.tables == tmp_path / "features" / "tables"
    assert (find_raw_dir(settings.raw_dir) / "flights.csv.zip").is_file()
    monkeypatch.setenv("ROUNDTRIP_VAR", "elsewhere")
    assert FeatureSettings().online_db == REPOSITORY / "elsewhere" / "features" / "online.db"
