"""Every feature of `flight_delay_v1` worked out again, one flight at its own instant, from the raw files.

Imports nothing from `features/` and shares no method with it: no tables, running totals or joins, only the
flights known by the instant and what is asked of them. An independent second opinion on the feature tables.
"""

from collections import ChainMap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tests.flight_delay import recompute_history as history
from tests.flight_delay import recompute_operations as operations
from tests.flight_delay.recompute_question import Question, Row, Status, Values
from tests.flight_delay.recompute_request import ON_DEMAND
from tests.flight_delay.recompute_world import World, minutes
from tests.frames import records

HOUR, DAY = 60, 1440
LookUp = Callable[[World, Question], Row | None]

# How long a row may stand, in minutes; None: for ever.
VIEWS: dict[str, tuple[LookUp, int | None]] = {
    "weather": (history.weather, 3 * HOUR),
    "origin_operations": (operations.origin_operations, 30),
    "carrier_operations": (operations.carrier_operations, 2 * DAY),
    "destination_operations": (operations.destination_operations, 2 * DAY),
    "flight_history": (history.flight_history, 14 * DAY),
    "route_history": (history.route_history, 7 * DAY),
    "carrier_destination_history": (history.carrier_destination_history, 7 * DAY),
    "aircraft_legs": (history.aircraft_legs, 2 * DAY),
    "aircraft_facts": (history.aircraft_facts, None),
    "carrier_facts": (history.carrier_facts, None),
    "origin_facts": (history.origin_facts, None),
    "destination_facts": (history.destination_facts, None),
}


@dataclass(frozen=True)
class Recomputed:
    """One row per example, as asked. `values`: NaN or None when missing; `statuses`: of each feature.

    `rows` says of each view whether its row was there: present, missing or stale.
    """

    values: pd.DataFrame
    statuses: pd.DataFrame
    rows: pd.DataFrame


def recompute(world: World, examples: pd.DataFrame) -> Recomputed:
    """Work out every feature of every example, each at its own `event_timestamp`."""
    questions = _questions(examples)
    parts = [_look_up(world, view, questions) for view in VIEWS]
    rows = pd.DataFrame({part.view: part.statuses for part in parts})
    known = [dict(ChainMap(*values)) for values in zip(*(part.values for part in parts), strict=True)]
    parts += [_describe(sources, describe, questions, known, rows) for sources, describe in ON_DEMAND]
    frames = [pd.DataFrame(part.values) for part in parts]
    statuses = [_feature_statuses(frame, part.statuses) for frame, part in zip(frames, parts, strict=True)]
    return Recomputed(pd.concat(frames, axis="columns"), pd.concat(statuses, axis="columns"), rows)


@dataclass(frozen=True)
class _Part:
    """One view's answers. `statuses` of the row; of an on-demand view, what a feature without a value is."""

    view: str
    values: list[Values]
    statuses: list[Status]


def _look_up(world: World, view: str, questions: Sequence[Question]) -> _Part:
    look_up, ttl = VIEWS[view]
    found = [look_up(world, question) for question in questions]
    statuses = [_row_status(row, ttl, question) for row, question in zip(found, questions, strict=True)]
    values = [
        row.values if row is not None and status == "present" else {}
        for row, status in zip(found, statuses, strict=True)
    ]
    return _Part(view, values, statuses)


def _describe(
    sources: Sequence[str],
    describe: Callable[[Question, Values], Values],
    questions: Sequence[Question],
    known: Sequence[Values],
    rows: pd.DataFrame,
) -> _Part:
    values = [describe(question, row) for question, row in zip(questions, known, strict=True)]
    stale = (rows[list(sources)] == "stale").any(axis="columns")
    return _Part(describe.__name__, values, ["stale" if expired else "present" for expired in stale])


def _row_status(row: Row | None, ttl: int | None, question: Question) -> Status:
    if row is None:
        return "missing"
    return "stale" if ttl is not None and row.at + ttl < question.instant else "present"


def _feature_statuses(values: pd.DataFrame, without: Sequence[Status]) -> pd.DataFrame:
    """A value is present; without one, the feature is as its row is, and a null in a row is missing."""
    absent = ["missing" if status == "present" else status for status in without]
    return pd.DataFrame(
        {name: np.where(column.notna(), "present", absent) for name, column in values.items()}
    )


def _questions(examples: pd.DataFrame) -> list[Question]:
    clocks = {
        "departure": "scheduled_departure",
        "arrival": "scheduled_arrival",
        "instant": "event_timestamp",
    }
    asked = examples[["origin", "carrier", "dest", "flight", "tailnum", "distance"]]
    asked = asked.assign(**{name: minutes(examples[column]) for name, column in clocks.items()})
    asked["tailnum"] = asked["tailnum"].astype(object).where(asked["tailnum"].notna(), None)
    return [Question(**row) for row in records(asked)]
