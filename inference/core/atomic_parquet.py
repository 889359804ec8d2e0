"""A Parquet file that takes its name once it is whole and on the disk."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from inference.core.durable_names import sync_folder


class AtomicParquet:
    """Row groups written to a draft, which replaces `path` in the end; not if something was raised before."""

    def __init__(self, path: Path, schema: pa.Schema, draft: Path | None = None, **options: Any) -> None:
        """`options`: those of `pq.ParquetWriter`. The draft lies beside `path` if not said.

        Its folder is made if need be.
        """
        self._path, self._draft = path, draft or path.with_suffix(f".{os.getpid()}.draft")
        self._draft.parent.mkdir(parents=True, exist_ok=True)
        self._writer = pq.ParquetWriter(self._draft, schema, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, raised: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        if raised is None:
            self.complete()
        else:
            self.discard()

    def write_group(self, rows: pa.Table) -> None:
        """Write one row group."""
        self._writer.write_table(rows, row_group_size=max(rows.num_rows, 1))

    def annotate(self, metadata: Mapping[bytes, bytes]) -> None:
        """Write key-value metadata, where the Arrow schema that would carry it is not stored."""
        self._writer.add_key_value_metadata(dict(metadata))

    def complete(self) -> None:
        """Put the file in its place.

        Raises:
            OSError: the disk is full or the place cannot be written.
        """
        self._writer.close()
        with self._draft.open("rb") as written:
            os.fsync(written.fileno())
        self._draft.replace(self._path)
        sync_folder(self._path.parent)
        sync_folder(self._path.parent.parent)

    def discard(self) -> None:
        """Remove the draft."""
        try:
            self._writer.close()
        finally:
            self._draft.unlink(missing_ok=True)
