"""Read UBJSON, the format of XGBoost's `.ubj` models, into plain Python and NumPy values.

Source: the specification at https://ubjson.org, draft 12: big-endian; containers may be typed and counted.
"""

from typing import Any

import numpy as np

from training.bundle.errors import BundleSchemaError

INTEGERS = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8"}
NUMBERS = {**INTEGERS, b"d": ">f4", b"D": ">f8"}
CONSTANTS = {b"Z": None, b"T": True, b"F": False}
DEEPEST = 64


def parse_ubjson(content: bytes) -> Any:
    """The document; arrays of numbers are NumPy arrays.

    Raises:
        BundleSchemaError: it is no UBJSON, or ends early.
    """
    try:
        return _Reader(content).value()
    except (KeyError, ValueError) as error:
        raise BundleSchemaError(f"the trees are no UBJSON ({error}); fetch the bundle again") from error


class _Reader:
    """A cursor over the bytes."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at, self._depth = content, 0, 0

    def value(self, marker: bytes | None = None) -> Any:
        """The next value; its marker is read first unless the container gave it."""
        marker = self._take(1) if marker is None else marker
        if marker in NUMBERS:
            return self._numbers(marker, 1)[0].item()
        if marker in CONSTANTS:
            return CONSTANTS[marker]
        if marker in (b"S", b"C"):
            return self._take(self._length() if marker == b"S" else 1).decode()
        return self._container(marker)

    def _container(self, marker: bytes) -> Any:
        if marker not in (b"{", b"[") or self._depth == DEEPEST:
            raise ValueError(f"unexpected {marker!r} at byte {self._at}")
        self._depth += 1
        found = self._object() if marker == b"{" else self._array()
        self._depth -= 1
        return found

    def _object(self) -> dict[str, Any]:
        kind, count = self._header()
        found: dict[str, Any] = {}
        while len(found) != count and not (count is None and self._ends(b"}")):
            name = self._take(self._length()).decode()
            found[name] = self.value(kind)
        return found

    def _array(self) -> Any:
        kind, count = self._header()
        if kind in NUMBERS and count is not None:
            return self._numbers(kind, count)
        found: list[Any] = []
        while len(found) != count and not (count is None and self._ends(b"]")):
            found.append(self.value(kind))
        return found

    def _header(self) -> tuple[bytes | None, int | None]:
        """The type and the count that a container may announce."""
        kind = self._take(1) if self._ends(b"$") else None
        return kind, self._length() if self._ends(b"#") else None

    def _length(self) -> int:
        length = int(self._numbers(self._take(1), 1)[0])
        if length < 0:
            raise ValueError(f"a negative length at byte {self._at}")
        return length

    def _numbers(self, marker: bytes, count: int) -> Any:
        dtype = np.dtype(NUMBERS[marker])
        return np.frombuffer(self._take(dtype.itemsize * count), dtype).astype(dtype.newbyteorder("="))

    def _ends(self, marker: bytes) -> bool:
        """Whether the next byte is this marker; it is consumed then."""
        if self._content[self._at : self._at + 1] != marker:
            return False
        self._at += 1
        return True

    def _take(self, count: int) -> bytes:
        taken = self._content[self._at : self._at + count]
        if len(taken) != count:
            raise ValueError(f"the file ends at byte {len(self._content)}")
        self._at += count
        return taken
