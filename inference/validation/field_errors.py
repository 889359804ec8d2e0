"""What is wrong with a request, field by field, in words that say what to send instead."""

from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from math import isfinite
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from contracts.problem import Problem
from inference.documents import ErrorItem
from inference.errors import InvalidRequestError
from inference.validation.limits import FEATURES, LISTED_ERRORS, LONGEST_TEXT, PREDICTION_TIME, REQUEST_ID

# The tags of the two kinds of instances, which stand in pydantic's locations.
TAGS: Final = frozenset({"asked", "given"})


def keep_members(document: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """The known members of an object, and as many others as are listed: each would be an error."""
    kept = {name: document[name] for name in known if name in document}
    if len(kept) == len(document):
        return kept
    others = (name for name in document if name not in kept)
    return kept | dict.fromkeys(islice(others, LISTED_ERRORS))


def keep_wrong_features(features: dict[str, Any]) -> dict[str, Any]:
    """Only wrong ones where more are wrong than are listed, else all."""
    found = (name for name, value in features.items() if not _may_be_feature(value))
    wrong = list(islice(found, LISTED_ERRORS))
    return {name: features[name] for name in wrong} if len(wrong) == LISTED_ERRORS else features


def _may_be_feature(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_TEXT
    try:
        return value is None or (type(value) in (int, float) and isfinite(value))  # type: ignore[arg-type]
    except OverflowError:
        return False


def wrong_fields(wrong: Collection[ErrorItem]) -> InvalidRequestError:
    """The refusal that lists what is wrong, the first `LISTED_ERRORS`."""
    number = f"{LISTED_ERRORS} or more" if len(wrong) >= LISTED_ERRORS else len(wrong)
    return InvalidRequestError(
        f"{number} fields are wrong, nothing was predicted; correct what items names and send again",
        list(islice(wrong, LISTED_ERRORS)),
    )


def explain_errors(error: ValidationError, index: int, problem: Problem) -> list[ErrorItem]:
    """Each of pydantic's errors as an item of the instance at `index`."""
    return [explain_error(found, index, problem) for found in error.errors(include_url=False)]


def explain_error(error: ErrorDetails, index: int, problem: Problem) -> ErrorItem:
    """One of pydantic's errors as an item of the instance at `index`."""
    field = _field_of(list(error["loc"]))
    code, message = _reason(error, field, problem)
    return ErrorItem(index=index, field=field, code=code, message=message)


def _field_of(location: list[int | str]) -> str | None:
    path = location[1:] if location and location[0] in TAGS else location
    depth = 2 if path[:1] == [FEATURES] else 1
    return ".".join(map(str, path[:depth])) or None


def _reason(error: ErrorDetails, field: str | None, problem: Problem) -> tuple[str, str]:
    kind = error["type"]
    if field is not None and field.startswith(f"{FEATURES}."):
        return "wrong_type", f"{field!r} must be a text, a finite number, or null where it is missing"
    if kind == "extra_forbidden" and field == PREDICTION_TIME:
        return "prediction_time_outside_replay", (
            "a request carries its own prediction time only in replay mode; leave it out, "
            "or start the service with ROUNDTRIP_REPLAY=true"
        )
    if kind == "extra_forbidden":
        known = ", ".join([*(spec.name for spec in problem.fields), FEATURES, REQUEST_ID])
        return "unknown_field", f"{field!r} is not a field of this problem; it knows {known}"
    if kind == "missing":
        return "missing_field", f"{field or 'instances'!r} is missing; send it"
    if kind == "timezone_aware":
        return "naive_timestamp", f"{field!r} has no zone; add one, for example 2013-05-14T18:30:00Z"
    code = "out_of_range" if kind.startswith(("greater", "less", "string_too", "too_")) else "wrong_type"
    return code, f"{error['msg']}; send a value as /openapi.json describes it"
