"""The output file: every part in order, put in place once it is whole."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from inference.batch.parts_folder import reading
from inference.core.atomic_parquet import AtomicParquet

GROUP_ROWS = 131_072
CHUNK_ROWS = 32_768


def write_output(
    parts: Iterable[Path], schema: pa.Schema, repeated: Sequence[str], draft: Path, target: Path
) -> int:
    """Encode the parts as they come; the rows written. Equal rows give equal bytes, however divided.

    `repeated`: the columns of few different values, which alone are worth a dictionary.
    """
    rows = 0
    with AtomicParquet(target, schema, draft, use_dictionary=list(repeated)) as file:
        for table in _groups(parts):
            file.write_group(table)
            rows += table.num_rows
    return rows


def _groups(parts: Iterable[Path]) -> Iterator[pa.Table]:
    """All rows, `GROUP_ROWS` at a time wherever the parts end."""
    waiting: list[pa.RecordBatch] = []
    for path in parts:
        for rows in reading(path):
            waiting.append(rows)
            if sum(batch.num_rows for batch in waiting) >= GROUP_ROWS:
                table = pa.Table.from_batches(waiting)
                yield _in_pieces(table.slice(0, GROUP_ROWS))
                waiting = table.slice(GROUP_ROWS).to_batches()
    if waiting:
        yield _in_pieces(pa.Table.from_batches(waiting))


def _in_pieces(rows: pa.Table) -> pa.Table:
    """The rows in chunks of `CHUNK_ROWS`, since pages end where chunks do; only what spans two is copied."""
    starts = range(0, rows.num_rows, CHUNK_ROWS)
    return pa.concat_tables([rows.slice(start, CHUNK_ROWS).combine_chunks() for start in starts])
