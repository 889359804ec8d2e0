"""Tensors of the Open Inference Protocol: what is declared is checked before anything is made of it.

Source: the protocol's tensor data types, and Triton's binary tensor data extension for the raw form
(little-endian, row-major; a BYTES element is its length in four bytes, then itself).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np

from inference.documents import ErrorItem
from inference.protocols.errors import MalformedTensorError
from inference.protocols.table import Column, require_rows

BYTES: Final = "BYTES"
LENGTH_BYTES: Final = 4
ARRAY_TYPES: Final[dict[str, np.dtype[Any]]] = {
    "BOOL": np.dtype("?"),
    **{f"{sign}INT{bits}": np.dtype(f"<{kind}{bits // 8}") for sign, kind in (("", "i"), ("U", "u"))
       for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": np.dtype(f"<f{bits // 8}") for bits in (16, 32, 64)},
}  # fmt: skip
# The datatype of Python's own numbers, which need no array to be what they are.
PYTHON_S_OWN: Final = "FP64"
TEXTS: Final[set[type]] = {str, type(None)}
PYTHON_TYPES: Final[dict[str, set[type]]] = {
    "b": {bool},
    "i": {int},
    "u": {int},
    "f": {int, float, type(None)},
}


@dataclass(frozen=True, slots=True)
class TensorHead:
    """What a request says of one of its tensors."""

    name: str
    datatype: str
    shape: Sequence[int]

    def rows(self, limit: int) -> int:
        """How many rows it declares: its shape is [rows] or [rows, 1].

        Raises:
            MalformedTensorError: it has another shape or an unknown datatype.
            InvalidRequestError, TooManyItemsError: no rows, or more than `limit`.
        """
        if self.datatype != BYTES and self.datatype not in ARRAY_TYPES:
            raise self.refusal(
                f"has datatype {self.datatype[:64]!r}; send {BYTES} or {', '.join(ARRAY_TYPES)}"
            )
        if len(self.shape) not in (1, 2) or (len(self.shape) == 2 and self.shape[1] != 1):
            raise self.refusal(
                f"has shape {list(self.shape[:8])}; each input is one column: [rows] or [rows, 1]"
            )
        require_rows(self.shape[0], limit)
        return self.shape[0]

    def refusal(self, message: str, index: int = 0) -> MalformedTensorError:
        """The error that says what is wrong with this tensor, at one of its rows."""
        text = f"input {self.name[:64]!r} {message}"
        item = ErrorItem(index=index, field=self.name[:64], code=MalformedTensorError.code, message=text)
        return MalformedTensorError("a tensor is malformed, nothing was predicted", [item])


def from_raw(head: TensorHead, rows: int, raw: bytes | memoryview) -> Column:
    """Read a tensor from its binary form.

    Raises:
        MalformedTensorError: the bytes are not those of `rows` elements, or no UTF-8.
    """
    if head.datatype == BYTES:
        return _split_texts(head, rows, raw)
    dtype = ARRAY_TYPES[head.datatype]
    if len(raw) != rows * dtype.itemsize:
        raise head.refusal(
            f"has {len(raw)} bytes, but {rows} of {head.datatype} are {rows * dtype.itemsize}; "
            "send as many as its shape says"
        )
    if dtype.kind == "b":
        return np.frombuffer(raw, np.uint8).astype(dtype)
    return np.frombuffer(raw, dtype)


def _split_texts(head: TensorHead, rows: int, raw: bytes | memoryview) -> list[str]:
    texts, start, end = [], 0, len(raw)
    for index in range(rows):
        first = start + LENGTH_BYTES
        last = first + int.from_bytes(raw[start:first], "little")
        if first > end or last > end:
            raise head.refusal(f"ends within element {index}; send four bytes of length, then as many", index)
        texts.append(_text(head, index, bytes(raw[first:last])))
        start = last
    if start != end:
        raise head.refusal(
            f"has {end - start} bytes after its {rows} elements; send as many as its shape says"
        )
    return texts


def from_list(head: TensorHead, rows: int, data: Sequence[Any]) -> Column:
    """Read a tensor from JSON: flat, or nested as its shape is; null is a missing float or text.

    Raises:
        MalformedTensorError: it has not `rows` elements, or one that its datatype has not.
    """
    flat = _flattened(head, data)
    if len(flat) != rows:
        raise head.refusal(f"has {len(flat)} elements, but its shape says {rows}; send as many")
    if head.datatype == BYTES:
        _require_types(head, flat, TEXTS)
        return flat
    _require_types(head, flat, PYTHON_TYPES[ARRAY_TYPES[head.datatype].kind])
    try:
        return _numbers(head.datatype, flat)
    except OverflowError:
        raise head.refusal(f"holds a number that {head.datatype} cannot; send a wider datatype") from None


def from_texts(head: TensorHead, rows: int, data: Sequence[bytes]) -> list[str]:
    """Read a BYTES tensor from a list of its elements. Raises `MalformedTensorError` as `from_list` does."""
    if len(data) != rows:
        raise head.refusal(f"has {len(data)} elements, but its shape says {rows}; send as many")
    return [_text(head, index, element) for index, element in enumerate(data)]


def _flattened(head: TensorHead, data: Sequence[Any]) -> Sequence[Any]:
    if len(head.shape) == 2 and data and all(isinstance(row, list) for row in data):
        return list(chain.from_iterable(data))
    return data


def _require_types(head: TensorHead, data: Sequence[Any], allowed: set[type]) -> None:
    if set(map(type, data)) <= allowed:
        return
    index = next(index for index, value in enumerate(data) if type(value) not in allowed)
    raise head.refusal(f"is {head.datatype}, but element {index} is not; send what its datatype says", index)


def _numbers(datatype: str, data: Sequence[Any]) -> Column:
    """The values as their datatype has them. Raises `OverflowError` for an integer beyond it."""
    if datatype == PYTHON_S_OWN:
        return [None if value is None else float(value) for value in data]
    with np.errstate(over="ignore"):
        return np.array(data, dtype=ARRAY_TYPES[datatype])


def _text(head: TensorHead, index: int, element: bytes) -> str:
    try:
        return element.decode()
    except UnicodeDecodeError:
        raise head.refusal(f"has an element {index} that is no UTF-8; send text in UTF-8", index) from None
