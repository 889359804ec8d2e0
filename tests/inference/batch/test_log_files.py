"""What bulk runs leave in the prediction log: its schema, every row once under its date, no drafts."""

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from contracts.problem import load_problem
from inference.batch.errors import DamagedInputError
from inference.batch.log_files import GROUP_ROWS
from inference.batch.run import BatchOptions, score_file
from inference.errors import BatchInputError
from inference.prediction_log.reader import read_predictions
from inference.prediction_log.schema import TIMESTAMP, arrow_schema, log_folder
from inference.settings import InferenceSettings
from tests.inference.bulk import bulk_rows, damage_last_group, write_bulk
from tests.inference.bundles import COLUMNS
from tests.inference.world import NOON

LOGGED = BatchOptions(part_rows=100, log=True)


def with_column(rows: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(name), name, values)


def score_and_log(settings: InferenceSettings, rows: pa.Table, folder: Path) -> None:
    pq.write_table(rows, folder / "in.parquet")
    score_file(settings, folder / "in.parquet", folder / "out.parquet", LOGGED)


def logged_files(settings: InferenceSettings) -> list[Path]:
    return sorted(log_folder(settings).rglob("batch-*.parquet"))


def test_a_logged_file_has_the_logs_schema_without_ages(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    score_and_log(settings, bulk_rows(0, 1_000), tmp_path)

    (path,) = logged_files(settings)

    expected = arrow_schema(COLUMNS, load_problem(settings.problem))
    known = pa.schema([field for field in expected if not field.name.startswith("age.")], expected.metadata)
    assert pq.read_table(path, partitioning=None).schema.equals(known, check_metadata=True)


def test_every_value_is_logged_with_its_status(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    rows = bulk_rows(0, 1_000)
    some_not_a_number = pc.if_else(pc.equal(rows["spaces"], 1), float("nan"), rows["hour"])
    score_and_log(settings, with_column(rows, "hour", some_not_a_number), tmp_path)

    logged = pq.read_table(logged_files(settings)[0], partitioning=None)

    assert logged["feature.trend"].equals(rows["trend"])
    assert logged["feature.district"].equals(rows["district"])
    assert logged["feature.capacity"].equals(rows["capacity"].cast(pa.float64()))
    assert logged["feature.hour"].equals(pc.if_else(pc.equal(rows["spaces"], 1), None, rows["hour"]))
    for column in COLUMNS:
        missing = pc.is_null(logged[f"feature.{column.name}"])
        assert logged[f"status.{column.name}"].equals(pc.if_else(missing, "missing", "present"))
    assert logged["prediction"].equals(pq.read_table(tmp_path / "out.parquet")["prediction"])


def test_rows_of_many_dates_are_each_once_under_their_own(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    days = 30
    rows = bulk_rows(0, 3_000)
    moments = pa.array([NOON + timedelta(days=number % days) for number in range(3_000)], TIMESTAMP)
    score_and_log(settings, with_column(rows, "event_timestamp", moments), tmp_path)

    files = logged_files(settings)

    assert len(files) == len({path.parent.name for path in files}) == days
    for path in files:
        (day,) = pc.unique(pq.read_table(path, partitioning=None)["prediction_time"]).to_pylist()
        assert path.parent.name == f"date={day.date()}"
    logged = read_predictions(settings, NOON, NOON + timedelta(days=days))
    assert sorted(map(int, logged["request_id"])) == [*range(3_000)]
    assert logged[[f"age.{column.name}" for column in COLUMNS]].isna().all(axis=None)


def test_whole_numbers_beyond_a_floats_are_rounded_wherever_they_are_written(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    large = 2**60 + 1
    pq.write_table(with_column(bulk_rows(0, 10), "capacity", pa.array([large] * 10)), tmp_path / "in.parquet")

    options = BatchOptions(log=True, features=True)
    score_file(settings, tmp_path / "in.parquet", tmp_path / "out.parquet", options)

    written = pq.read_table(tmp_path / "out.parquet")["capacity"]
    logged = pq.read_table(logged_files(settings)[0], partitioning=None)["feature.capacity"]
    assert set(written.to_pylist()) == set(logged.to_pylist()) == {float(large)}


@pytest.mark.parametrize("name", ["example_id", "event_timestamp"])
def test_a_row_without_what_names_its_prediction_is_refused(
    settings: InferenceSettings, champion: str, tmp_path: Path, name: str
) -> None:
    rows = bulk_rows(0, 10)
    holed = pc.if_else(pc.equal(rows["spaces"], 3), None, rows[name])

    with pytest.raises(BatchInputError, match=rf"1 of 10 rows have no '{name}'"):
        score_and_log(settings, with_column(rows, name, holed), tmp_path)

    assert not logged_files(settings)


def test_a_field_of_another_type_is_named(settings: InferenceSettings, champion: str, tmp_path: Path) -> None:
    rows = with_column(bulk_rows(0, 10), "spaces", pa.array(["many"] * 10))

    with pytest.raises(BatchInputError, match="'spaces': string is no number"):
        score_and_log(settings, rows, tmp_path)


def test_a_part_that_fails_leaves_no_draft_in_the_log(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    source = write_bulk(tmp_path / "in.parquet", groups=3, rows=2 * GROUP_ROWS)
    damage_last_group(source)

    with pytest.raises(DamagedInputError):
        score_file(
            settings, source, tmp_path / "out.parquet", BatchOptions(log=True, part_rows=10 * GROUP_ROWS)
        )

    assert not [path for path in log_folder(settings).rglob("*") if path.is_file()]


def test_drafts_of_a_killed_run_go_when_it_is_started_again(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    score_and_log(settings, bulk_rows(0, 100), tmp_path)
    (path,) = logged_files(settings)
    left, others = path.with_suffix(".99999.draft"), path.with_name("batch-other-0000.99999.draft")
    for draft in (left, others):
        draft.touch()

    score_file(settings, tmp_path / "in.parquet", tmp_path / "out.parquet", LOGGED)

    assert not left.exists()
    assert others.exists()
