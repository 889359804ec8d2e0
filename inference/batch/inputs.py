"""The files to be scored, divided into parts: whole row groups, each scored and kept on its own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from inference.batch.errors import DamagedInputError
from inference.errors import BatchInputError

PART_ROWS = 131_072
READ_BUFFER = 1 << 18
GLOB_SIGNS = frozenset("*?[")


@dataclass(frozen=True)
class InputFile:
    """A readable file: its columns, the rows of each row group, and what changes when it is written anew."""

    path: Path
    schema: pa.Schema
    row_groups: tuple[int, ...]
    stamp: tuple[int, int]


@dataclass(frozen=True)
class Part:
    """Row groups `first` to `last` (excluded) of a file, from row `start` on; `number` counts over all."""

    number: int
    path: Path
    first: int
    last: int
    start: int
    stamp: tuple[int, int]


def find_inputs(source: Path) -> list[InputFile]:
    """Open what is to be scored: one file, every `.parquet` file under a folder, or what a pattern matches.

    Files are in the order of their paths.

    Raises:
        BatchInputError: there is none, or one cannot be read as Parquet; the message names it.
    """
    paths = _paths(source)
    if not paths:
        raise BatchInputError(f"{source} holds no Parquet file; give another --input")
    return [_open(path) for path in paths]


def divide(files: Sequence[InputFile], rows: int = PART_ROWS) -> list[Part]:
    """Parts of at least `rows` rows where a file has as many; a row group is never divided."""
    parts: list[Part] = []
    for file in files:
        for first, last in _spans(file.row_groups, rows):
            start = sum(file.row_groups[:first])
            parts.append(Part(len(parts), file.path, first, last, start, file.stamp))
    return parts


def read_part(
    part: Part, columns: Sequence[str], texts: Sequence[str], rows: int
) -> Iterator[pa.RecordBatch]:
    """Stream a part, at most `rows` at a time, the columns `texts` as dictionaries.

    Raises:
        DamagedInputError: a row group cannot be read.
    """
    try:
        file = pq.ParquetFile(part.path, read_dictionary=list(texts), buffer_size=READ_BUFFER)
        groups = list(range(part.first, part.last))
        yield from file.iter_batches(rows, row_groups=groups, columns=list(columns), use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise DamagedInputError(
            f"{part.path} is damaged in row groups {part.first} to {part.last - 1} ({error}); "
            "mend it and run again: what was scored before is kept"
        ) from error


def _paths(source: Path) -> list[Path]:
    if GLOB_SIGNS & set(str(source)) and not source.exists():
        here = Path.cwd()  # a place, whatever its name: only what comes after it is the pattern
        place = here if source.is_relative_to(here) else Path(source.anchor)
        matching = place.glob(str(source.relative_to(place)))
        return sorted(path for path in matching if path.is_file())
    if source.is_dir():
        return sorted(path for path in source.rglob("*.parquet") if path.is_file())
    return [source]


def _open(path: Path) -> InputFile:
    try:
        with pq.ParquetFile(path) as file:
            metadata, schema = file.metadata, file.schema_arrow
        stat = path.stat()
    except (pa.ArrowException, OSError) as error:
        raise BatchInputError(f"{path} cannot be read as Parquet ({error}); give another --input") from error
    if len(set(schema.names)) < len(schema.names):
        raise BatchInputError(f"{path} holds two columns of one name; rename one")
    sizes = tuple(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
    return InputFile(path, schema.remove_metadata(), sizes, (stat.st_size, stat.st_mtime_ns))


def _spans(sizes: Sequence[int], least: int) -> Iterator[tuple[int, int]]:
    first, rows = 0, 0
    for group, size in enumerate(sizes):
        rows += size
        if rows >= least or group == len(sizes) - 1:
            yield first, group + 1
            first, rows = group + 1, 0
