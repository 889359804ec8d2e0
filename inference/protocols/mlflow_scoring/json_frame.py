"""MLflow's four JSON forms of a frame: split, records, and TensorFlow's `inputs` and `instances`."""

from collections.abc import Mapping
from typing import Any, Final

from inference.errors import InvalidRequestError
from inference.protocols.errors import UnsupportedOperationError
from inference.protocols.signatures import Signatures
from inference.protocols.table import (
    Table,
    require_known,
    require_rows,
    table_of_columns,
    table_of_object,
    table_of_records,
)
from inference.validation.json_object import read_object, without_nulls

SPLIT, RECORDS = "dataframe_split", "dataframe_records"
INPUTS, INSTANCES, PARAMS = "inputs", "instances", "params"
FORMS: Final = (SPLIT, RECORDS, INPUTS, INSTANCES)
SPLIT_PARTS: Final = {"columns", "data", "index"}


def read_json(body: bytes, signatures: Signatures, limit: int) -> Table:
    """Read a body of content type application/json.

    Raises:
        MalformedBodyError: it is no JSON.
        InvalidRequestError, TooManyItemsError: it is no frame, or not one of this model.
        UnsupportedOperationError: it carries parameters, of which the model takes none.
    """
    document = without_nulls(read_object(body))
    if document.pop(PARAMS, None):
        raise UnsupportedOperationError("the model takes no params; leave them out")
    if len(document) != 1 or (form := next(iter(document))) not in FORMS:
        raise InvalidRequestError(f"send an object with exactly one of {', '.join(FORMS)}")
    sent, known = document[form], signatures.known
    if form == SPLIT:
        return _split(sent, known, limit)
    if isinstance(sent, list):
        return table_of_records(sent, known, limit)
    if form == INPUTS:
        return table_of_object(sent, known, limit)
    raise InvalidRequestError(f"{form!r} is no list; send a list of {{name: value}}")


def _split(sent: Any, known: Mapping[str, None], limit: int) -> Table:
    if not isinstance(sent, dict) or not SPLIT_PARTS >= set(sent) >= {"columns", "data"}:
        raise InvalidRequestError(f"{SPLIT!r} is an object with 'columns', 'data' and at most 'index'")
    names, rows = sent["columns"], sent["data"]
    if not isinstance(names, list) or not isinstance(rows, list):
        raise InvalidRequestError(f"'columns' and 'data' of {SPLIT!r} are lists; send lists")
    require_names(names, known)
    require_rows(len(rows), limit)
    for index, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            raise InvalidRequestError(f"row {index} has not one value for each of the {len(names)} columns")
    return table_of_columns(dict(zip(names, zip(*rows, strict=True), strict=True)), limit)


def require_names(names: list[Any], known: Mapping[str, None]) -> None:
    """Check a frame's column names. Raises `InvalidRequestError`: one is no known name, or is there twice."""
    if not all(isinstance(name, str) for name in names):
        raise InvalidRequestError("a column's name is no text; send the names of the model's inputs")
    require_known(names, known)
    if len(set(names)) < len(names):
        raise InvalidRequestError("a column is there twice; send each once")
