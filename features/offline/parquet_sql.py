"""DuckDB SQL that reads Parquet files as one table, also where they were written with different types."""

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

PARQUET = ".parquet"
FILE, ROW_IN_FILE = "file_index", "file_row_number"


def quote(identifier: str) -> str:
    """Quote a DuckDB or SQLite identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def read_parquet(path: str | Sequence[str]) -> str:
    """Return the table function that reads Parquet files of the same types.

    A path is a place, never a pattern. The virtual columns `file_index` and `file_row_number` say where a row
    stands.
    """
    paths = [path] if isinstance(path, str) else path
    listed = ", ".join("'" + glob.escape(each).replace("'", "''") + "'" for each in paths)
    return f"read_parquet([{listed}])"


def parquet_table(path: str | Sequence[str], filesystem: Any = None) -> str:
    """Return the table expression of Parquet files, whatever types each was written with.

    DuckDB alone takes the types from the first file, and rounds the later ones' fractions where that has
    whole numbers. Here a column that is floating in any file is float64 in all; of other types the wider one
    holds. `file_index` and `file_row_number` are those of `read_parquet`.
    """
    paths = [path] if isinstance(path, str) else list(path)
    schemas = _read_schemas(paths, filesystem) if len(paths) > 1 else []
    alike: dict[tuple[Any, ...], list[int]] = {}
    for index, schema in enumerate(schemas):
        alike.setdefault(tuple((each.name, each.type) for each in schema), []).append(index)
    if len(alike) < 2:
        return read_parquet(paths)
    floating = _floating_columns(schemas)
    parts = [
        _read_alike(paths, places, [name for name in schemas[places[0]].names if name in floating])
        for places in alike.values()
    ]
    return f"({' UNION ALL BY NAME '.join(parts)})"


def column_types(connection: "DuckDBPyConnection", table: str) -> dict[str, str]:
    """Return the columns of a table expression over Parquet with DuckDB's types, from the files' footers."""
    rows = connection.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()
    return {str(row[0]): str(row[1]) for row in rows}


def local_files(table: Path) -> list[str]:
    """Return the Parquet files of a local table, a file or a folder, in the order of their names."""
    if not table.is_dir():
        return [str(table)]
    return sorted(
        str(found) for found in table.rglob(f"*{PARQUET}") if is_whole(str(found.relative_to(table)))
    )


def is_whole(name: str) -> bool:
    """Whether a file in a folder is to be read; `__log_date=...` is a partition, `_temporary` is not."""
    hidden = (part for part in name.split("/") if part.startswith((".", "_")) and "=" not in part)
    return name.endswith(PARQUET) and not any(hidden)


def _read_alike(paths: Sequence[str], places: Sequence[int], floating: Sequence[str]) -> str:
    """Read files of the same types, each row with the place that its file has among all."""
    casts = ", ".join(f"CAST({quote(name)} AS DOUBLE) AS {quote(name)}" for name in floating)
    columns = f"* REPLACE ({casts})" if casts else "*"
    index = f"{list(places)}[{FILE}::BIGINT + 1]::UBIGINT AS {FILE}"
    return f"SELECT {columns}, {index}, {ROW_IN_FILE} FROM {read_parquet([paths[place] for place in places])}"


def _read_schemas(paths: Sequence[str], filesystem: Any) -> "list[pa.Schema]":
    """Return the files' types; none where one cannot be read, which DuckDB explains when it reads it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    plain = [filesystem._strip_protocol(path) for path in paths] if filesystem else paths
    try:
        return [pq.read_schema(path, filesystem=filesystem) for path in plain]
    except (pa.ArrowInvalid, OSError):
        return []


def _floating_columns(schemas: "Sequence[pa.Schema]") -> set[str]:
    """Return the columns of numbers that differ between files, and hold fractions in some."""
    from pyarrow import types

    kinds: dict[str, set[pa.DataType]] = {}
    for field in (field for schema in schemas for field in schema):
        kinds.setdefault(field.name, set()).add(field.type)
    numbers = (types.is_floating, types.is_integer, types.is_decimal, types.is_null)
    return {
        name
        for name, found in kinds.items()
        if len(found) > 1
        and any(types.is_floating(kind) for kind in found)
        and all(any(fits(kind) for fits in numbers) for kind in found)
    }
