"""The file of API keys: JSON with hashes only, replaced whole, so that no reader sees half of it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Self

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from inference.access.api_keys import ApiKey
from inference.access.errors import KeyExistsError, KeyFileError, UnknownKeyError

OWNER_ONLY = 0o600
LOCK_SECONDS = 10.0

Keys = tuple[ApiKey, ...]


class KeyDocument(BaseModel):
    """What the file holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    keys: Keys = ()

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        ids = [key.id for key in self.keys]
        if len(ids) != len(set(ids)):
            raise ValueError("two keys have the same id")
        return self


def read_keys(path: Path) -> Keys:
    """Read the file.

    Raises:
        KeyFileError: it is missing, unreadable, or not as described; no part of it is in the message.
    """
    try:
        return KeyDocument.model_validate_json(path.read_bytes()).keys
    except FileNotFoundError:
        raise KeyFileError(
            f"{path} is not there; make a first key with `python -m inference keys create NAME`"
        ) from None
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read ({error.strerror}); fix its permissions") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise KeyFileError(f"{path} is no file of API keys ({place}: {first['msg']}); restore it") from None


def add_key(path: Path, key: ApiKey) -> None:
    """Add a key; the file is made if there is none.

    Raises:
        KeyExistsError: the id is taken.
        KeyFileError: the file is there but cannot be read.
    """

    def added(keys: Keys) -> Keys:
        if any(key.id == known.id for known in keys):
            raise KeyExistsError(f"there is a key {key.id!r}; choose another name, or revoke that one first")
        return (*keys, key)

    _change(path, added)


def remove_key(path: Path, name: str) -> None:
    """Remove a key: servers refuse it within seconds.

    Raises:
        UnknownKeyError: there is none of that name.
        KeyFileError: the file cannot be read.
    """

    def removed(keys: Keys) -> Keys:
        left = tuple(key for key in keys if key.id != name)
        if len(left) == len(keys):
            raise UnknownKeyError(f"there is no key {name!r}; see `python -m inference keys list`")
        return left

    _change(path, removed)


def _change(path: Path, change: Callable[[Keys], Keys]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock"), timeout=LOCK_SECONDS):
        keys = change(read_keys(path) if path.exists() else ())
        _replace(path, KeyDocument(keys=keys).model_dump_json(indent=1))


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(f"{text}\n")
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
