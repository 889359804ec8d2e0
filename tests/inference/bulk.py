"""Long Parquet files of car-park features, written a row group at a time."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from inference.prediction_log.schema import TIMESTAMP
from tests.inference.world import NOON

SCHEMA = pa.schema(
    {
        "example_id": pa.string(),
        "site": pa.string(),
        "opens_at": TIMESTAMP,
        "spaces": pa.int64(),
        "fee": pa.float64(),
        "event_timestamp": TIMESTAMP,
        "cars": pa.float64(),
        "trend": pa.float64(),
        "capacity": pa.int64(),
        "district": pa.string(),
        "hour": pa.float64(),
        "free_share": pa.float32(),
    }
)


def write_bulk(path: Path, groups: int, rows: int, first: int = 0) -> Path:
    """`groups` row groups of `rows` rows each; ids count from `first`, `cars` is the id modulo 1,000."""
    with pq.ParquetWriter(path, SCHEMA) as writer:
        for group in range(groups):
            writer.write_table(bulk_rows(first + group * rows, rows))
    return path


def bulk_rows(first: int, rows: int) -> pa.Table:
    """Rows with ids from `first` on; every tenth trend is null and every seventh district."""
    ids = np.arange(first, first + rows)
    numbers = np.random.default_rng(first).normal(size=(2, rows))
    columns = {
        "example_id": pa.array(ids).cast(pa.string()),
        "site": pa.array(np.array(["north", "south"])[ids % 2]),
        "opens_at": pa.repeat(pa.scalar(NOON + timedelta(hours=1), TIMESTAMP), rows),
        "spaces": pa.array(ids % 50 + 1),
        "fee": pa.array(np.abs(numbers[0]), mask=ids % 5 == 0),
        "event_timestamp": pa.repeat(pa.scalar(NOON, TIMESTAMP), rows),
        "cars": pa.array((ids % 1_000).astype(np.float64)),
        "trend": pa.array(numbers[1], mask=ids % 10 == 0),
        "capacity": pa.array(ids % 300),
        "district": pa.array(np.array(["hill", "port", "mill"])[ids % 3], mask=ids % 7 == 0),
        "hour": pa.array((ids % 24).astype(np.float64)),
        "free_share": pa.array(numbers[0].astype(np.float32)),
    }
    return pa.table(columns, schema=SCHEMA)


def damage_last_group(path: Path) -> bytes:
    """Overwrite the middle of the last row group's data; the file as it was before."""
    whole = path.read_bytes()
    metadata = pq.ParquetFile(path).metadata
    column = metadata.row_group(metadata.num_row_groups - 1).column(SCHEMA.names.index("trend"))
    start = column.dictionary_page_offset or column.data_page_offset
    torn = bytearray(whole)
    torn[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(torn)
    return whole
