"""An Arrow file system under a name of its own, so that DuckDB reads S3 without an extension to download."""

from typing import Any

from fsspec.implementations.arrow import ArrowFSWrapper


class NamedArrowFileSystem(ArrowFSWrapper):  # type: ignore[misc]
    """Feast's own `pyarrow.fs.S3FileSystem` for fsspec; paths are `<name>://bucket/key`.

    fsspec itself would call every one of them `s3`, and DuckDB keeps one file system per protocol.
    """

    protocol = "arrow"
    cachable = False

    def __init__(self, filesystem: Any, name: str) -> None:
        super().__init__(filesystem)
        self.protocol = name

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path.split("://", 1)[-1].rstrip("/")
