"""Bulk runs in parts: streamed, gone on with after a stop, one output whatever happened in between."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from contracts.matrix import to_matrix
from inference.batch.errors import BatchBusyError, DamagedInputError, UnwritableError
from inference.batch.inputs import PART_ROWS, find_inputs
from inference.batch.parts_folder import folder_for
from inference.batch.run import BatchOptions, score_file
from inference.core.arrow_matrix import arrow_matrix
from inference.errors import BatchInputError, ScoringError
from inference.prediction_log.reader import read_predictions
from inference.settings import InferenceSettings
from tests.forked import fork_off
from tests.inference.bulk import bulk_rows, damage_last_group, write_bulk
from tests.inference.bundles import COLUMNS, LogModel
from tests.inference.running import ROOT, environment_of, wait_until
from tests.inference.world import NOON, add_model, add_version, set_champion

SMALL = BatchOptions(part_rows=100)
LOGGED = BatchOptions(part_rows=100, log=True)
WINDOW = (NOON, NOON + timedelta(seconds=1))
# What a file ten times as long may take more: caches and buffers, not its rows.
ALLOWED_GROWTH_MIB = 60
MEASURED = """
import resource, sys
from pathlib import Path
from inference.batch.run import score_file
from inference.settings import InferenceSettings
score_file(InferenceSettings(), Path(sys.argv[1]), Path(sys.argv[2]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def scored(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path)


def log_files(settings: InferenceSettings) -> dict[str, int]:
    found = (settings.var / "predictions").rglob("batch-*.parquet")
    return {path.name: path.stat().st_mtime_ns for path in found}


def test_rows_keep_their_order_and_get_their_prediction(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    source = write_bulk(tmp_path / "in.parquet", groups=5, rows=70)

    rows = score_file(settings, source, tmp_path / "out.parquet", SMALL)

    found = scored(tmp_path / "out.parquet")
    assert rows == len(found) == 350
    assert found["example_id"].tolist() == [str(number) for number in range(350)]
    np.testing.assert_allclose(found["prediction"], 1 + np.arange(350) % 1_000 / 1_000, rtol=1e-6)
    assert [*found.columns] == [
        *("example_id", "site", "opens_at", "spaces", "fee", "event_timestamp"),
        *("prediction", "model_version"),
    ]
    assert not folder_for(tmp_path / "out.parquet").exists()


def test_kept_columns_are_as_they_were(settings: InferenceSettings, champion: str, tmp_path: Path) -> None:
    source = write_bulk(tmp_path / "in.parquet", groups=3, rows=50)

    score_file(settings, source, tmp_path / "out.parquet", BatchOptions(features=True))

    given, written = pq.read_table(source), pq.read_table(tmp_path / "out.parquet")
    kept = ["example_id", "site", "opens_at", "spaces", "fee", "event_timestamp", "trend", "district"]
    assert written.select(kept).equals(given.select(kept))


def test_a_kept_category_is_written_as_its_text(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    frame = bulk_rows(0, 300).to_pandas().astype({"site": "category", "district": "category"})
    frame.to_parquet(tmp_path / "in.parquet", row_group_size=100)

    score_file(settings, tmp_path / "in.parquet", tmp_path / "out.parquet", SMALL)

    assert scored(tmp_path / "out.parquet")["site"].tolist() == frame["site"].tolist()


def test_a_folder_and_a_pattern_are_read_in_the_order_of_their_paths(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    whole = write_bulk(tmp_path / "whole.parquet", groups=4, rows=60)
    folder = tmp_path / "day=1"
    folder.mkdir()
    for number in (1, 0):
        write_bulk(folder / f"part-{number}.parquet", groups=2, rows=60, first=number * 120)

    for name, source in {
        "whole": whole,
        "folder": folder,
        "pattern": tmp_path / "day=*/part-?.parquet",
    }.items():
        assert score_file(settings, source, tmp_path / f"{name}.out", SMALL) == 240

    expected = (tmp_path / "whole.out").read_bytes()
    for name in ("folder", "pattern"):
        assert (tmp_path / f"{name}.out").read_bytes() == expected


def test_the_folder_that_a_pattern_is_taken_from_is_a_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("data [2024]", "data 2"):
        (tmp_path / folder).mkdir()
        write_bulk(tmp_path / folder / "part-1.parquet", groups=1, rows=1)
    monkeypatch.chdir(tmp_path / "data [2024]")
    found = find_inputs(Path("part-?.parquet").absolute())
    assert [file.path for file in found] == [tmp_path / "data [2024]" / "part-1.parquet"]


def test_a_damaged_file_loses_nothing_and_the_run_goes_on_once_it_is_mended(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    folder, target = tmp_path / "in", tmp_path / "out.parquet"
    folder.mkdir()
    write_bulk(folder / "a.parquet", groups=3, rows=100)
    second = write_bulk(folder / "b.parquet", groups=3, rows=100, first=300)
    score_file(settings, folder, tmp_path / "whole.parquet", SMALL)
    whole = damage_last_group(second)

    with pytest.raises(DamagedInputError, match=r"b\.parquet"):
        score_file(settings, folder, target, LOGGED)
    before = log_files(settings)
    assert not target.exists()
    second.write_bytes(whole)
    score_file(settings, folder, target, LOGGED)

    after = log_files(settings)
    assert target.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert sum(after[name] == written for name, written in before.items()) >= 3
    assert read_predictions(settings, *WINDOW)["request_id"].is_unique
    assert len(read_predictions(settings, *WINDOW)) == 600


def test_a_run_that_goes_on_keeps_its_version(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    source, target = write_bulk(tmp_path / "in.parquet", groups=3, rows=100), tmp_path / "out.parquet"
    whole = damage_last_group(source)
    with pytest.raises(DamagedInputError):
        score_file(settings, source, target, SMALL)
    set_champion(settings, add_version(settings, 2.0))
    source.write_bytes(whole)

    score_file(settings, source, target, SMALL)
    score_file(settings, source, tmp_path / "next.parquet", SMALL)

    assert set(scored(target)["model_version"]) == {champion}
    assert set(scored(tmp_path / "next.parquet")["model_version"]) == {"2"}


def test_two_runs_of_one_output_do_not_meet(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    source, target = write_bulk(tmp_path / "in.parquet", groups=1, rows=10), tmp_path / "out.parquet"
    folder_for(target).mkdir()

    with FileLock(folder_for(target) / ".lock"), pytest.raises(BatchBusyError, match="another run"):
        score_file(settings, source, target)

    assert score_file(settings, source, target) == 10


def test_a_place_that_cannot_be_written_is_named(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    source = write_bulk(tmp_path / "in.parquet", groups=1, rows=10)

    with pytest.raises(UnwritableError, match=r"in\.parquet/out\.parquet"):
        score_file(settings, source, source / "out.parquet")


def test_the_output_may_not_be_an_input(settings: InferenceSettings, champion: str, tmp_path: Path) -> None:
    source = write_bulk(tmp_path / "in.parquet", groups=1, rows=10)

    with pytest.raises(BatchInputError, match="also an input"):
        score_file(settings, tmp_path, source)


def test_files_that_hold_other_columns_are_refused(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write_bulk(folder / "a.parquet", groups=1, rows=10)
    pq.write_table(bulk_rows(0, 10).drop_columns(["fee"]), folder / "b.parquet")

    with pytest.raises(BatchInputError, match=r"b\.parquet.*'fee'"):
        score_file(settings, folder, tmp_path / "out.parquet")


def test_an_empty_folder_and_an_empty_file_are_told_apart(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    (tmp_path / "nothing").mkdir()
    pq.write_table(bulk_rows(0, 0), tmp_path / "empty.parquet")

    with pytest.raises(BatchInputError, match="nothing"):
        score_file(settings, tmp_path / "nothing", tmp_path / "out.parquet")
    assert score_file(settings, tmp_path / "empty.parquet", tmp_path / "out.parquet") == 0
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 0


def test_a_feature_of_another_kind_is_refused(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    rows = bulk_rows(0, 10)
    text = rows.set_column(rows.schema.get_field_index("cars"), "cars", pa.array(["many"] * 10))
    pq.write_table(text, tmp_path / "in.parquet")

    with pytest.raises(BatchInputError, match="'cars': string is no number"):
        score_file(settings, tmp_path / "in.parquet", tmp_path / "out.parquet")


def test_an_answer_that_is_no_number_stops_the_run(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    set_champion(settings, add_model(settings, LogModel(1.0)))
    rows = bulk_rows(0, 10)
    below = pa.array([-2_000.0] * 10)
    pq.write_table(
        rows.set_column(rows.schema.get_field_index("cars"), "cars", below), tmp_path / "in.parquet"
    )

    with pytest.raises(ScoringError, match="no number"):
        score_file(settings, tmp_path / "in.parquet", tmp_path / "out.parquet")


def test_the_log_asks_for_what_names_a_prediction(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    pq.write_table(bulk_rows(0, 10).drop_columns(["example_id"]), tmp_path / "in.parquet")

    with pytest.raises(BatchInputError, match="example_id"):
        score_file(settings, tmp_path / "in.parquet", tmp_path / "out.parquet", LOGGED)


def test_arrow_rows_give_the_matrix_that_a_frame_gives() -> None:
    table = bulk_rows(0, 500)
    encoded = table.set_column(
        table.schema.get_field_index("district"), "district", table["district"].dictionary_encode()
    )

    framed = to_matrix(table.to_pandas(), COLUMNS)

    for rows in (table, encoded, table.combine_chunks().to_batches()[0]):
        matrix = arrow_matrix(rows, COLUMNS)
        np.testing.assert_array_equal(matrix.numeric, framed.numeric)
        assert matrix.categorical.tolist() == framed.categorical.tolist()


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_and_gives_the_same_file(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    source = write_bulk(tmp_path / "in.parquet", groups=8, rows=PART_ROWS)
    target, options = tmp_path / "out.parquet", BatchOptions(log=True)
    score_file(settings, source, tmp_path / "whole.parquet")
    process = fork_off(score_file, settings, source, target, options)
    wait_until(lambda: len([*folder_for(target).glob("*.arrow")]) >= 2, "two parts")
    process.kill()
    process.join()
    assert not target.exists()
    kept = [path.stem for path in folder_for(target).glob("*.arrow")]
    before = {
        name: at
        for name, at in log_files(settings).items()
        if name.startswith(tuple(f"batch-{k}" for k in kept))
    }

    rows = score_file(settings, source, target, options)

    after = log_files(settings)
    assert rows == 8 * PART_ROWS
    assert target.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert len(before) >= 2
    assert {name: after[name] for name in before} == before
    assert len(after) == 8


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    peaks = []
    for groups in (2, 20):
        source = write_bulk(tmp_path / f"in-{groups}.parquet", groups, PART_ROWS)
        command = [sys.executable, "-c", MEASURED, str(source), str(tmp_path / f"out-{groups}.parquet")]
        ended = subprocess.run(
            command, cwd=ROOT, env=environment_of(settings), capture_output=True, text=True, check=True
        )
        peaks.append(int(ended.stdout))
        source.unlink()

    assert peaks[1] - peaks[0] < ALLOWED_GROWTH_MIB, peaks
