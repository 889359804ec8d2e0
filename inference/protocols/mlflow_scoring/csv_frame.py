"""A frame as CSV with a header, whose texts become what the model's columns are declared to be."""

import csv
from collections.abc import Callable, Sequence
from io import StringIO
from itertools import islice
from typing import Final

from inference.errors import InvalidRequestError
from inference.protocols.mlflow_scoring.json_frame import require_names
from inference.protocols.signatures import Signatures
from inference.protocols.table import Table, require_rows, table_of_columns

Cell = str | int | float | None
PARSERS: Final[dict[str, Callable[[str], Cell]]] = {"number": float, "integer": int}


def read_csv(body: bytes, signatures: Signatures, limit: int) -> Table:
    """Read a body of content type text/csv; an empty cell is a missing value.

    Raises:
        InvalidRequestError: it is no CSV in UTF-8, or not a frame of this model.
        TooManyItemsError: it has more than `limit` rows.
    """
    names, rows = _parse(body, limit)
    require_names(names, signatures.known)
    require_rows(len(rows), limit)
    for index, row in enumerate(rows):
        if len(row) != len(names):
            raise InvalidRequestError(
                f"row {index} has {len(row)} cells, the header {len(names)}; send as many"
            )
    types = signatures.types(signatures.choose(names))
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    return table_of_columns({name: _typed(cells, types[name]) for name, cells in columns.items()}, limit)


def _parse(body: bytes, limit: int) -> tuple[list[str], list[list[str]]]:
    try:
        lines = csv.reader(StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        names = next(lines, [])
        return names, list(islice((row for row in lines if row), limit + 1))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidRequestError(f"the body is no CSV: {error}; send a header and rows in UTF-8") from None


def _typed(cells: Sequence[str], dtype: str) -> list[Cell]:
    parse = PARSERS.get(dtype, str)
    return [_cell(text, parse) if text else None for text in cells]


def _cell(text: str, parse: Callable[[str], Cell]) -> Cell:
    """The value that a text stands for; a text that stands for none is left for the checks to refuse."""
    if not text.isascii() or "_" in text:
        return text
    try:
        return parse(text)
    except ValueError:
        return text
