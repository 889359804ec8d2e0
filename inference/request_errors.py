"""What is wrong with a request, field by field, in words that say what to send instead."""

from typing import Final

from pydantic_core import ErrorDetails

from inference.errors import ErrorItem
from inference.request_limits import FEATURES, PREDICTION_TIME, REQUEST_ID
from training.problem import Problem

# The tags of the two kinds of instances, which stand in pydantic's locations.
TAGS: Final = frozenset({"asked", "given"})


def explain_error(error: ErrorDetails, wrapped: bool, problem: Problem) -> ErrorItem:
    """One of pydantic's errors as an item; `wrapped`: the instance stands in a list."""
    location = list(error["loc"])[1:] if wrapped else [0, *error["loc"]]
    index = location[0] if location and isinstance(location[0], int) else 0
    field = _field_of(location[1:])
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
