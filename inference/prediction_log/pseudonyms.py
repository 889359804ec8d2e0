"""Personal fields are logged under keyed pseudonyms: the same value always as the same one.

A pseudonym is the first 128 bits of HMAC-SHA256 (FIPS 198-1, truncated as NIST SP 800-107 allows) over the
name of the field and its value, under a key that is not in the log; ENISA calls this deterministic
pseudonymisation with a message authentication code ("Pseudonymisation techniques and best practices", 2019).

It protects from whoever reads the log, its copies or its reports without the key: they can neither turn a
pseudonym back nor try out guesses, as they could with a plain hash. One value has another one in each field.

It does not protect from whoever has the key, and it does not make the log anonymous: rows of one person still
belong together visibly, and other fields, features and the caller's own request ids may still say who it is.
What is logged so stays personal data (GDPR, article 4(5) and recital 26). Losing the key or changing it only
parts what is logged from then on from what was logged before; labels join by request id and need neither.
"""

import os
import secrets
import stat
from collections.abc import Sequence
from datetime import UTC, datetime
from hmac import digest
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import pyarrow as pa

from contracts.problem import Problem
from inference.prediction_log.errors import PseudonymKeyError

if TYPE_CHECKING:
    from inference.settings import InferenceSettings

Scalar = str | int | float | None
KEY_BYTES: Final = 32
SHORTEST_KEY: Final = 32  # characters: 128 bits in hexadecimal
PSEUDONYM_BYTES: Final = 16
CALLER: Final = ""  # no field has this name
OWNER_ONLY: Final = 0o600


class Pseudonyms:
    """The pseudonyms of one problem's personal fields under one key."""

    def __init__(self, problem: Problem, key: bytes) -> None:
        self._key = key
        self._personal = {
            position: field.name for position, field in enumerate(problem.fields) if field.personal
        }

    @classmethod
    def configured(cls, settings: "InferenceSettings", problem: Problem) -> Self | None:
        """Those of a service; `None` if the problem declares no personal field.

        Raises:
            PseudonymKeyError: the key is too short, or others than its owner may read its file.
        """
        if not any(field.personal for field in problem.fields):
            return None
        given = settings.pseudonym_key
        if given is not None:
            return cls(problem, _checked(given.get_secret_value(), "ROUNDTRIP_PSEUDONYM_KEY"))
        return cls(problem, _key_in(settings.var / "access" / "pseudonym.key"))

    def of(self, field: str, value: str | float | datetime) -> str:
        """The pseudonym of a value of a field, to find what is logged about it: 32 hexadecimal digits."""
        text = f"{field}\0{_text(value)}".encode()
        return digest(self._key, text, "sha256")[:PSEUDONYM_BYTES].hex()

    def of_caller(self, caller: str | None) -> str | None:
        """The pseudonym of who asked: a token's subject may be a person."""
        return None if caller is None else self.of(CALLER, caller)

    def conceal(self, values: Sequence[Scalar]) -> tuple[Scalar, ...]:
        """The values of a request's fields, in the problem's order, the personal ones as pseudonyms."""
        concealed = list(values)
        for position, name in self._personal.items():
            value = concealed[position]
            if value is not None:
                concealed[position] = self.of(name, value)
        return tuple(concealed)

    def conceal_column(self, field: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
        """The same for one field of many rows."""
        if field not in self._personal.values():
            return values
        concealed = [None if value is None else self.of(field, value) for value in values.to_pylist()]
        return pa.chunked_array([concealed], pa.string())


def _text(value: str | float | datetime) -> str:
    """One text for one value, whether it comes from a request or from a table."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def _key_in(path: Path) -> bytes:
    """The key in the file, which is made if it is not there."""
    if not path.exists():
        _make_key(path)
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise PseudonymKeyError(f"others than its owner may read {path}; run `chmod 600 {path}`")
    return _checked(path.read_text(encoding="ascii").strip(), str(path))


def _make_key(path: Path) -> None:
    """Write a key beside its place and link it there: of several processes one has made it, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(f"{secrets.token_hex(KEY_BYTES)}\n")
        stream.flush()
        os.fsync(descriptor)
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass  # another process was first; its key holds
    finally:
        draft.unlink()


def _checked(key: str, where: str) -> bytes:
    if len(key) < SHORTEST_KEY:
        raise PseudonymKeyError(
            f"{where} is shorter than {SHORTEST_KEY} characters; give it 64 random hex digits"
        )
    return key.encode()
