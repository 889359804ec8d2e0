"""Reads a body that has to be a JSON object; some protocols write NaN and Infinity as literals in it."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from pydantic_core import from_json

from inference.errors import InvalidRequestError, MalformedBodyError

WANTED: Final = "the body is no JSON object; send one"


def read_object(body: bytes, wanted: str = WANTED) -> dict[str, Any]:
    """The object that the body is; numbers may be NaN or infinite, and later checks say what that means.

    Raises:
        MalformedBodyError: it is no JSON, or nested absurdly deep.
        InvalidRequestError: it is JSON, but no object; `wanted` says what to send.
    """
    try:
        with _collector_paused():
            document = from_json(body)
    except ValueError as error:
        raise MalformedBodyError(f"the body is not JSON: {error}; send an object in UTF-8") from error
    if not isinstance(document, dict):
        raise InvalidRequestError(wanted)
    return document


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the collector from looking through all objects again and again while as many are made."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def without_nulls(members: dict[str, Any]) -> dict[str, Any]:
    """The members that are not null: a null one is absent, as other servers' clients write it."""
    return {name: member for name, member in members.items() if member is not None}
