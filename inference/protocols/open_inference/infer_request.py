"""An inference request in neutral form, as JSON, raw bytes and protobuf all become it."""

from collections.abc import Sequence
from dataclasses import dataclass

from inference.errors import InvalidRequestError
from inference.protocols.open_inference.outputs import WantedOutput
from inference.protocols.open_inference.tensors import TensorHead
from inference.protocols.signatures import Signatures
from inference.protocols.table import Column, Table, require_known, table_of_columns


@dataclass(frozen=True, slots=True)
class InferRequest:
    """What is asked: the caller's id of the whole request, the rows, the outputs wanted."""

    id: str
    table: Table
    outputs: Sequence[WantedOutput]


@dataclass(frozen=True, slots=True)
class InferLimits:
    """What a request may be, at one moment of the service."""

    signatures: Signatures
    max_rows: int


def require_few(inputs: int, limits: InferLimits) -> None:
    """Check how many tensors there are before anything is made of them. Raises `InvalidRequestError`."""
    most = len(limits.signatures.known)
    if inputs > most:
        raise InvalidRequestError(f"{inputs} inputs; this model knows {most}, each sent once at most")


def require_heads(heads: Sequence[TensorHead], limits: InferLimits) -> None:
    """Check names before any content is read.

    Raises:
        InvalidRequestError: one is not known, or sent twice.
    """
    names = [head.name for head in heads]
    require_known(names, limits.signatures.known)
    for name in names:
        if names.count(name) > 1:
            raise InvalidRequestError(f"input {name!r} is sent twice; send each once")


def gather(columns: Sequence[tuple[TensorHead, Column]], limits: InferLimits) -> Table:
    """The tensors as one table. Raises as `table_of_columns` does."""
    return table_of_columns({head.name: column for head, column in columns}, limits.max_rows)
