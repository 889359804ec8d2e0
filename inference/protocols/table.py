"""What every foreign request comes down to: named columns of equal length, and how rows become one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from inference.errors import InvalidRequestError, TooManyItemsError

Column = Sequence[Any] | npt.NDArray[np.generic]
NOT_SENT = msgspec.UNSET


@dataclass(frozen=True)
class Table:
    """A request's rows by column, none of whose values has been checked.

    A column is a list of Python values or a one-dimensional array. `gaps`: some rows lack some columns, and
    have `NOT_SENT` there.
    """

    columns: Mapping[str, Column]
    rows: int
    gaps: bool = False


def require_rows(rows: int, limit: int) -> None:
    """Check a request's size before anything is made of it.

    Raises:
        InvalidRequestError: it has no row.
        TooManyItemsError: it has more than `limit`.
    """
    if rows < 1:
        raise InvalidRequestError("the request has no rows; send at least one")
    if rows > limit:
        raise TooManyItemsError(f"{rows} rows in one request; send at most {limit} at a time")


def table_of_columns(columns: Mapping[str, Column], limit: int) -> Table:
    """Take columns as they are, once they are known to be equally long.

    Raises:
        InvalidRequestError: they are not, or there are none.
        TooManyItemsError: they are longer than `limit`.
    """
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        shortest, longest = min(lengths, key=lengths.__getitem__), max(lengths, key=lengths.__getitem__)
        raise InvalidRequestError(
            f"{shortest!r} has {lengths[shortest]} values and {longest!r} has {lengths[longest]}; "
            "send one value per row in every column"
        )
    rows = next(iter(lengths.values()), 0)
    require_rows(rows, limit)
    return Table(columns, rows)


def table_of_object(sent: object, known: Collection[str], limit: int) -> Table:
    """Take an object of lists as columns.

    Raises:
        InvalidRequestError: it is none, has names that are not known, or lists of different lengths.
        TooManyItemsError: the lists are longer than `limit`.
    """
    if not isinstance(sent, dict):
        raise InvalidRequestError("the columns are no object; send {name: [value, ...]}")
    require_known(sent, known)
    for name, values in sent.items():
        if not isinstance(values, list):
            raise InvalidRequestError(f"{name!r} is no list; send one value per row in a list")
    return table_of_columns(sent, limit)


def table_of_records(records: Sequence[Any], known: Collection[str], limit: int) -> Table:
    """Turn row objects into columns; only `known` names become any, so that strange ones cost no memory.

    Raises:
        InvalidRequestError: a row is no object, has a name that is not known, or there are no rows.
        TooManyItemsError: there are more than `limit`.
    """
    require_rows(len(records), limit)
    names: dict[str, None] = {}
    allowed = frozenset(known)
    for index, record in enumerate(records):
        if not isinstance(record, Mapping):
            raise InvalidRequestError(f"row {index} is no object; send each row as {{name: value}}")
        if not allowed.issuperset(record):
            require_known(record, known)
        if record.keys() != names.keys():
            names.update(dict.fromkeys(record))
    gaps = any(len(record) < len(names) for record in records)
    columns = {name: [record.get(name, NOT_SENT) for record in records] for name in names}
    return Table(columns, len(records), gaps)


def require_known(names: Collection[str], known: Collection[str]) -> None:
    """Check that the request uses names that the model or the problem knows.

    Raises:
        InvalidRequestError: it does not; the message says one of them and all that are known.
    """
    for name in names:
        if name not in known:
            raise InvalidRequestError(f"{str(name)[:64]!r} is no input here; known are {', '.join(known)}")
