"""What the offline store writes: appended rows, logged features and saved datasets, whole or not at all."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from feast.data_format import DeltaFormat
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.file_source import FileLoggingDestination, FileSource, SavedDatasetFileStorage
from pyarrow.fs import FileSelector, FileType, LocalFileSystem

from features.errors import TableLayoutError, UnsupportedRetrievalError
from features.offline.parquet_sql import PARQUET, is_whole

ROWS_PER_GROUP = 250_000
NOTHING_DECLARED = pa.schema([])


def save_dataset(batches: pa.RecordBatchReader, storage: Any, repo_path: str, *, overwrite: bool) -> None:
    """Write the batches to the storage's file, or as the only file of its folder.

    Raises:
        SavedDatasetLocationAlreadyExists: something is there and may not be overwritten (Feast's error).
        UnsupportedRetrievalError: the storage is not a Parquet SavedDatasetFileStorage.
    """
    if not isinstance(storage, SavedDatasetFileStorage) or _is_delta(storage):
        raise UnsupportedRetrievalError(
            f"cannot persist to {type(storage).__name__}; pass a SavedDatasetFileStorage for Parquet"
        )
    filesystem, path = _open(storage.file_options, repo_path, storage.file_options.uri)
    if not overwrite and filesystem.get_file_info(path).type != FileType.NotFound:
        raise SavedDatasetLocationAlreadyExists(location=storage.file_options.uri)
    target = path if path.endswith(PARQUET) else f"{path}/part-0{PARQUET}"
    with fresh_file(filesystem, target) as fresh:
        write_batches(filesystem, fresh, batches.schema, batches)
    if target != path:
        _delete_others(filesystem, path, target)


def append_rows(
    source: FileSource, repo_path: str, view: str, table: pa.Table, declared: pa.Schema = NOTHING_DECLARED
) -> None:
    """Append the rows to the source's file, or as one more file of its folder; the first write creates it.

    They are written in the table's types, and in the view's (`declared`) where the table has had no values or
    narrower numbers so far. Readers see the table as it was or as it is, never a part. On one machine writers
    of a file wait for each other.

    Raises:
        TableLayoutError: the rows' columns are not those of the table, or of types that it cannot take.
    """
    filesystem, path = _open(source, repo_path, source.path)
    kind = filesystem.get_file_info(path).type
    where = f"view {view!r}: {path}"
    if kind == FileType.Directory or not path.endswith(PARQUET):
        first = _first_file(filesystem, path) if kind == FileType.Directory else None
        known = pq.read_schema(first, filesystem=filesystem) if first else table.schema
        added = _in_schema(table, _widen(known, declared, where), where)
        with fresh_file(filesystem, f"{path}/part-{uuid4().hex}{PARQUET}") as fresh:
            write_batches(filesystem, fresh, added.schema, added.to_batches())
        return
    with _locked(filesystem, path):
        _rewrite(filesystem, path, where, table, declared)


def write_logs(data: pa.Table | Path, destination: FileLoggingDestination, repo_path: str) -> None:
    """Add logged features as new files of the destination's folder, under `column=value/` where partitioned.

    `data`: a table, or the path of Parquet. A file appears when it is whole.
    """
    filesystem, base = _open(destination, repo_path, destination.path)
    filesystem.create_dir(base, recursive=True)
    written: list[str] = []
    try:
        ds.write_dataset(
            ds.dataset(str(data)) if isinstance(data, Path) else data,
            base_dir=base,
            filesystem=filesystem,
            format="parquet",
            basename_template=f".{uuid4().hex}-{{i}}{PARQUET}",
            partitioning=destination.partition_by,
            partitioning_flavor="hive" if destination.partition_by else None,
            existing_data_behavior="overwrite_or_ignore",
            file_visitor=lambda file: written.append(file.path),
        )
    except BaseException:
        for path in written:
            filesystem.delete_file(path)
        raise
    for path in written:
        folder, _, name = path.rpartition("/")
        filesystem.move(path, f"{folder}/{name.removeprefix('.')}")


@contextmanager
def fresh_file(filesystem: Any, path: str) -> Iterator[str]:
    """Give the path of a hidden file that takes the place of `path` once it is written without an error."""
    folder, _, name = path.rpartition("/")
    filesystem.create_dir(folder, recursive=True)
    fresh = f"{folder}/.{name}.{uuid4().hex}"
    try:
        yield fresh
    except BaseException:
        with suppress(OSError):
            filesystem.delete_file(fresh)
        raise
    filesystem.move(fresh, path)


def write_batches(filesystem: Any, path: str, schema: pa.Schema, batches: Any) -> None:
    """Write one Parquet file of microsecond timestamps, in row groups of `ROWS_PER_GROUP` at the most."""
    options = {"coerce_timestamps": "us", "allow_truncated_timestamps": True}
    with pq.ParquetWriter(path, schema, filesystem=filesystem, **options) as writer:
        pending: list[pa.RecordBatch] = []
        for batch in batches:
            pending.append(batch)
            if sum(each.num_rows for each in pending) >= ROWS_PER_GROUP:
                writer.write_table(pa.Table.from_batches(pending, schema))
                pending = []
        writer.write_table(pa.Table.from_batches(pending, schema))


def _rewrite(filesystem: Any, path: str, where: str, table: pa.Table, declared: pa.Schema) -> None:
    if filesystem.get_file_info(path).type == FileType.NotFound:
        schema, before = _widen(table.schema, declared, where), iter(())
    else:
        parquet = pq.ParquetFile(path, filesystem=filesystem)
        schema = _widen(parquet.schema_arrow, declared, where)
        before = (batch.cast(schema) for batch in parquet.iter_batches(ROWS_PER_GROUP))
    added = _in_schema(table, schema, where)
    with fresh_file(filesystem, path) as fresh:
        write_batches(filesystem, fresh, schema, chain(before, added.to_batches()))


def _first_file(filesystem: Any, folder: str) -> str | None:
    found = filesystem.get_file_info(FileSelector(folder, recursive=True))
    return min((each.path for each in found if is_whole(each.path.removeprefix(folder))), default=None)


def _widen(schema: pa.Schema, declared: pa.Schema, where: str) -> pa.Schema:
    """Return the schema with the declared types of the columns that hold numbers, or no value yet."""
    open_to = {each.name for each in schema if _is_number(each.type) or pa.types.is_null(each.type)}
    wanted = pa.schema([each for each in declared if each.name in open_to])
    try:
        widened = pa.unify_schemas([schema, wanted], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise TableLayoutError(f"{where} holds other types than the view declares: {error}") from error
    # What pandas noted of the columns would no longer be so.
    return schema if widened.equals(schema) else widened.remove_metadata()


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _in_schema(table: pa.Table, schema: pa.Schema, where: str) -> pa.Table:
    if set(table.column_names) != set(schema.names):
        raise TableLayoutError(
            f"{where} has the columns {', '.join(schema.names)}, the rows to append have "
            f"{', '.join(table.column_names)}; append rows with the same columns"
        )
    try:
        return table.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise TableLayoutError(f"{where} cannot take the rows; give them its types: {error}") from error


@contextmanager
def _locked(filesystem: Any, path: str) -> Iterator[None]:
    """Keep other writers of this machine out; an object store has no locks."""
    if not isinstance(filesystem, LocalFileSystem):
        yield
        return
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_name(f".{file.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _delete_others(filesystem: Any, folder: str, kept: str) -> None:
    for found in filesystem.get_file_info(FileSelector(folder, recursive=True)):
        if found.type == FileType.File and found.path.endswith(PARQUET) and found.path != kept:
            filesystem.delete_file(found.path)


def _open(options: Any, repo_path: str, uri: str) -> tuple[Any, str]:
    resolved = options.resolve_credentials() if isinstance(options, FileSource) else None
    address = str(FileSource.get_uri_for_file_path(repo_path, uri))
    filesystem, path = FileSource.create_filesystem_and_path(address, options.s3_endpoint_override, resolved)
    return filesystem or LocalFileSystem(), path.rstrip("/")


def _is_delta(storage: SavedDatasetFileStorage) -> bool:
    return isinstance(storage.file_options.file_format, DeltaFormat)
