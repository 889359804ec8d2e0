"""How routes declare what they answer, as OpenAPI describes it."""

from collections.abc import Mapping
from typing import Any, Final

API_VERSION: Final = "1"
Responses = dict[int | str, dict[str, Any]]


def describe_refusals(document: type, texts: Mapping[int, str]) -> Responses:
    """What a route refuses, as FastAPI takes it: the document that says so, and what each status means."""
    return {code: {"model": document, "description": texts[code]} for code in sorted(texts)}
