"""Where a Feast file source's Parquet lies, locally or on S3, and how DuckDB reads it there."""

import glob
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from feast.data_format import DeltaFormat
from feast.data_source import DataSource
from feast.infra.offline_stores.file_source import FileSource
from feast.repo_config import RepoConfig
from fsspec.implementations.local import LocalFileSystem

from features.errors import TableMissingError, UnsupportedRetrievalError
from features.offline.parquet_sql import is_whole, parquet_table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

WILDCARDS = frozenset("*?[")


@dataclass(frozen=True)
class SourceFiles:
    """What DuckDB reads, in the order in which later files win ties; `filesystem` where it is not local."""

    paths: tuple[str, ...]
    filesystem: Any = None

    @cached_property
    def table(self) -> str:
        """The table expression of the files."""
        return parquet_table(self.paths, self.filesystem)


def parquet_source(source: DataSource) -> FileSource:
    """Return the source as what it is.

    Raises:
        UnsupportedRetrievalError: the source is not a Parquet file.
    """
    if not isinstance(source, FileSource) or isinstance(source.file_format, DeltaFormat):
        raise UnsupportedRetrievalError(
            f"source {getattr(source, 'name', source)!r} is not a Parquet FileSource; write it as Parquet"
        )
    return source


def source_uri(config: RepoConfig, source: DataSource) -> str:
    """Return the source's path or `s3://` address; a relative path is taken from the repository's path.

    Raises:
        UnsupportedRetrievalError: the source is not a Parquet file.
    """
    path = parquet_source(source).path
    return str(FileSource.get_uri_for_file_path(config.repo_path, path))


def locate_files(config: RepoConfig, source: DataSource, view: str) -> SourceFiles:
    """Return the source's files: the one it names, or those of its folder or pattern by name.

    Names that start with a dot or an underscore are left out: they are not written to the end yet.

    Raises:
        UnsupportedRetrievalError: the source is not a Parquet file.
        TableMissingError: there is no such file, or the folder has no Parquet.
    """
    uri = source_uri(config, source)
    filesystem = open_filesystem(parquet_source(source), uri)
    try:
        paths = _parquet_paths(filesystem or LocalFileSystem(), uri, str(config.repo_path))
    except OSError as error:
        raise TableMissingError(
            f"view {view!r}: {uri} cannot be looked up; check its endpoint and credentials: {error}"
        ) from error
    if not paths:
        raise TableMissingError(
            f"view {view!r}: no Parquet at {uri}; build the table, or correct the path of its FileSource"
        )
    prefix = f"{filesystem.protocol}://" if filesystem else ""
    return SourceFiles(tuple(prefix + path for path in paths), filesystem)


def open_filesystem(source: FileSource, uri: str) -> Any:
    """Return the fsspec file system of an `s3://` address, as Feast itself opens it; `None` for a local path.

    Its protocol is its own, so that sources with several endpoints can be read in one query.
    """
    resolved = source.resolve_credentials()
    endpoint = source.s3_endpoint_override or ""
    found, _ = FileSource.create_filesystem_and_path(uri, endpoint, resolved)
    if found is None:
        return None
    from features.offline.s3 import NamedArrowFileSystem

    name = sha256(repr((endpoint, sorted((resolved or {}).items()))).encode()).hexdigest()[:12]
    return NamedArrowFileSystem(found, f"files{name}")


def register_filesystem(connection: "DuckDBPyConnection", filesystem: Any) -> None:
    """Let the connection read the file system's paths; repeating it changes nothing."""
    if filesystem is not None and not connection.filesystem_is_registered(filesystem.protocol):
        connection.register_filesystem(filesystem)


def _parquet_paths(filesystem: Any, uri: str, repo_path: str) -> list[str]:
    """Only what a definition says can be a pattern: the folder that it is taken from is a place."""
    path = filesystem._strip_protocol(uri)
    try:
        kind = filesystem.info(path)["type"]
    except FileNotFoundError:
        said = path.removeprefix(repo_path)
        place = glob.escape(path.removesuffix(said))
        return sorted(filesystem.glob(place + said)) if WILDCARDS.intersection(said) else []
    if kind == "file":
        return [path]
    return sorted(found for found in filesystem.find(path) if is_whole(found.removeprefix(path)))
