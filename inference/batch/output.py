"""The output file: every part in order, put in place once it is whole."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from inference.batch.parts_folder import reading

GROUP_ROWS = 131_072


def write_output(
    parts: Iterable[Path], schema: pa.Schema, repeated: Sequence[str], draft: Path, target: Path
) -> int:
    """Encode the parts as they come; the rows written. Equal parts give equal bytes.

    `repeated`: the columns of few different values, which alone are worth a dictionary.
    """
    rows = 0
    with pq.ParquetWriter(draft, schema, use_dictionary=list(repeated)) as writer:
        for path in parts:
            for table in _groups(path):
                writer.write_table(table, row_group_size=GROUP_ROWS)
                rows += table.num_rows
    with draft.open("rb") as written:
        os.fsync(written.fileno())
    draft.replace(target)
    return rows


def _groups(path: Path) -> Iterator[pa.Table]:
    """A part's rows, `GROUP_ROWS` or so at a time."""
    waiting: list[pa.RecordBatch] = []
    for rows in reading(path):
        waiting.append(rows)
        if sum(batch.num_rows for batch in waiting) >= GROUP_ROWS:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)
