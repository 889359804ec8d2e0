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
    """Encode the parts as they come; the rows written. Equal rows give equal bytes, however divided.

    `repeated`: the columns of few different values, which alone are worth a dictionary.
    """
    rows = 0
    with pq.ParquetWriter(draft, schema, use_dictionary=list(repeated)) as writer:
        for table in _groups(parts):
            writer.write_table(table, row_group_size=GROUP_ROWS)
            rows += table.num_rows
    with draft.open("rb") as written:
        os.fsync(written.fileno())
    draft.replace(target)
    return rows


def _groups(parts: Iterable[Path]) -> Iterator[pa.Table]:
    """All rows, `GROUP_ROWS` at a time wherever the parts end."""
    waiting: list[pa.RecordBatch] = []
    for path in parts:
        for rows in reading(path):
            waiting.append(rows)
            if sum(batch.num_rows for batch in waiting) >= GROUP_ROWS:
                table = pa.Table.from_batches(waiting)
                yield table.slice(0, GROUP_ROWS).combine_chunks()
                waiting = table.slice(GROUP_ROWS).to_batches()
    if waiting:
        yield pa.Table.from_batches(waiting).combine_chunks()
