"""Reads the JSON of other protocols, whose writers may use the literals NaN and Infinity."""

from typing import Any

from pydantic_core import from_json

from inference.errors import InvalidRequestError, MalformedBodyError


def read_object(body: bytes) -> dict[str, Any]:
    """The object that the body is; numbers may be NaN or infinite, and later checks say what that means.

    Raises:
        MalformedBodyError: it is no JSON, or nested absurdly deep.
        InvalidRequestError: it is JSON, but no object.
    """
    try:
        document = from_json(body)
    except ValueError as error:
        raise MalformedBodyError(f"the body is not JSON: {error}; send an object in UTF-8") from error
    if not isinstance(document, dict):
        raise InvalidRequestError("the body is no JSON object; send one")
    return document
