"""A bulk run takes what a request may hold, and names the rest; bytes are read as the text they are."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from inference.batch.run import BatchOptions, score_file
from inference.core.arrow_matrix import arrow_matrix
from inference.errors import BatchInputError
from inference.prediction_log.reader import read_predictions
from inference.prediction_log.schema import log_folder
from inference.settings import InferenceSettings
from tests.inference.bulk import bulk_rows
from tests.inference.bundles import COLUMNS
from tests.inference.world import NOON, example_rows

ROWS, PLACE = 300, 217
LOGGED = BatchOptions(part_rows=100, log=True)
LATE = datetime(3000, 1, 1, tzinfo=UTC)


def changed(name: str, values: pa.Array) -> pa.Table:
    rows = bulk_rows(0, ROWS)
    return rows.set_column(rows.schema.get_field_index(name), name, values)


def spoiled(name: str, value: object) -> pa.Table:
    """Rows of which one holds `value` in a column."""
    column = bulk_rows(0, ROWS)[name]
    return changed(
        name, pa.array([*column.to_pylist()[:PLACE], value, *column.to_pylist()[PLACE + 1 :]], column.type)
    )


def run(
    settings: InferenceSettings, rows: pa.Table, folder: Path, options: BatchOptions = LOGGED
) -> pa.Table:
    pq.write_table(rows, folder / "in.parquet", row_group_size=100)
    score_file(settings, folder / "in.parquet", folder / "out.parquet", options)
    return pq.read_table(folder / "out.parquet")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cars", float("inf")),
        ("cars", -float("inf")),
        ("cars", 1e300),
        ("free_share", float("inf")),
        ("district", "x" * 257),
        ("site", "a site with a long name"),
        ("spaces", 0),
        ("spaces", 10_001),
        ("fee", -0.5),
        ("fee", float("inf")),
        ("opens_at", LATE),
        ("event_timestamp", LATE),
        ("example_id", ""),
        ("example_id", "x" * 129),
    ],
)
def test_a_value_that_no_request_may_hold_is_refused_with_its_column_and_row(
    settings: InferenceSettings, champion: str, tmp_path: Path, name: str, value: object
) -> None:
    with pytest.raises(BatchInputError, match=rf"'{name}' must be .* in row {PLACE} of .*in\.parquet"):
        run(settings, spoiled(name, value), tmp_path)

    assert not (tmp_path / "out.parquet").exists()
    logged = pq.ParquetDataset(list(log_folder(settings).rglob("*.parquet"))).read(["request_id"])
    assert str(PLACE) not in logged["request_id"].to_pylist()


def test_examples_are_held_to_what_requests_are(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    examples = example_rows()
    examples.loc[2, "spaces"] = -1
    examples.to_parquet(tmp_path / "in.parquet", index=False)

    with pytest.raises(BatchInputError, match=r"'spaces' must be a number between 1 and 10000.* -1 in row 2"):
        score_file(settings, tmp_path / "in.parquet", tmp_path / "out.parquet")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("district", pa.array(np.arange(ROWS))),
        ("capacity", pa.array(["200"] * ROWS)),
        ("event_timestamp", pa.array([NOON.replace(tzinfo=None)] * ROWS, pa.timestamp("us"))),
        ("district", pa.array([b"\xff\xfe"] * ROWS)),
    ],
)
def test_a_column_of_another_type_is_refused_by_name(
    settings: InferenceSettings, champion: str, tmp_path: Path, name: str, values: pa.Array
) -> None:
    with pytest.raises(BatchInputError, match=f"'{name}'"):
        run(settings, changed(name, values), tmp_path)


def test_what_is_missing_is_no_number_out_of_range(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    missing = pa.array([float("nan"), None] * (ROWS // 2))

    assert run(settings, changed("trend", missing), tmp_path).num_rows == ROWS


@pytest.mark.parametrize("dtype", [pa.binary(), pa.large_binary(), pa.dictionary(pa.int32(), pa.binary())])
def test_text_in_bare_bytes_is_scored_and_logged_as_the_text(
    settings: InferenceSettings, champion: str, tmp_path: Path, dtype: pa.DataType
) -> None:
    rows = bulk_rows(0, ROWS)
    texts = rows["district"].combine_chunks()
    encoded = texts.cast(pa.binary())
    as_bytes = encoded.dictionary_encode() if pa.types.is_dictionary(dtype) else encoded.cast(dtype)

    run(settings, changed("district", as_bytes), tmp_path, BatchOptions(log=True, features=True))

    read = pq.read_table(tmp_path / "out.parquet")["district"].to_pylist()
    logged = read_predictions(settings, NOON, NOON.replace(hour=13)).set_index("request_id")
    assert read == texts.to_pylist()
    assert logged.loc["1", "feature.district"] == texts[1].as_py()
    plain, decoded = (arrow_matrix(table, COLUMNS) for table in (rows, changed("district", as_bytes)))
    assert plain.categorical.tolist() == decoded.categorical.tolist()


def test_examples_whose_keys_are_bare_bytes_find_their_features(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    table = pa.Table.from_pandas(example_rows(), preserve_index=False)
    place = table.schema.get_field_index("site")
    tables = [table, table.set_column(place, "site", table["site"].cast(pa.binary()))]
    for number, examples in enumerate(tables):
        pq.write_table(examples, tmp_path / f"in{number}.parquet")
        score_file(settings, tmp_path / f"in{number}.parquet", tmp_path / f"out{number}.parquet")

    plain, decoded = (pq.read_table(tmp_path / f"out{number}.parquet")["prediction"] for number in range(2))
    assert plain.to_pylist() == decoded.to_pylist()
    assert len(set(plain.to_pylist())) > 1
