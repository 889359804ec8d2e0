"""The request ids answered lately, so that a retry gets the answer that stands in the log."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec

from inference.prediction_log.journal import Layout, LoggedPrediction
from inference.prediction_log.schema import DEFAULT, MISSING, PRESENT, STALE
from inference.serving_set import Role

FLAGGED = (MISSING, STALE, DEFAULT)
# The same few features are missing again and again: so many different patterns are remembered.
PATTERNS = 4_096
NOTHING_FLAGGED: tuple[tuple[str, ...], ...] = ((), (), ())


class Reason(msgspec.Struct, frozen=True, gc=False):
    """What one feature contributed to a prediction, and the same in the problem's words."""

    feature: str
    value: str | float | None
    contribution: float
    text: str


class Answer(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a caller was told: the prediction, who made it, and which features were not as known.

    `degraded`: some were not read, since the online store was away; `defaulted` names them. `reasons` are
    there when they were asked for.
    """

    request_id: str
    prediction: float
    model_version: str
    missing: tuple[str, ...]
    stale: tuple[str, ...]
    defaulted: tuple[str, ...]
    degraded: bool
    role: Role
    reasons: tuple[Reason, ...] | None = None


def answer_of(entry: LoggedPrediction, layout: Layout) -> Answer:
    """The answer that a logged line stands for."""
    statuses = entry.statuses
    missing, stale, defaulted = _flagged(statuses, layout) if statuses else NOTHING_FLAGGED
    return Answer(
        entry.request_id,
        entry.prediction,
        entry.model_version,
        missing,
        stale,
        defaulted,
        bool(defaulted),
        entry.role,
    )


@lru_cache(PATTERNS)
def _flagged(statuses: tuple[str, ...], layout: Layout) -> tuple[tuple[str, ...], ...]:
    """The names of the features with each of the statuses that answers tell."""
    named: dict[str, list[str]] = {status: [] for status in FLAGGED}
    for (name, _), status in zip(layout.features, statuses, strict=True):
        if status != PRESENT:
            named[status].append(name)
    return tuple(map(tuple, named.values()))


class AnsweredRequests:
    """The last answer to each of the last `limit` request ids. Its owner holds a lock.

    What is only scored unseen is no answer, and not remembered.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._answers: OrderedDict[str, tuple[int, Answer]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    def are_new(self, request_ids: Sequence[str]) -> bool:
        """Whether none of them is remembered, and none is there twice."""
        return self._answers.keys().isdisjoint(request_ids) and len(set(request_ids)) == len(request_ids)

    def recall(self, entry: LoggedPrediction) -> Answer | None:
        """The answer that this model version gave to this request id, if it is still remembered."""
        found = self._answers.get(entry.request_id)
        return found[1] if found and found[1].model_version == entry.model_version else None

    def asked_otherwise(self, entry: LoggedPrediction) -> bool:
        """Whether this request id was answered for other fields than the entry's."""
        found = self._answers.get(entry.request_id)
        return found is not None and found[0] != hash(entry.asked)

    def remember(self, entries: Iterable[LoggedPrediction], answers: Iterable[Answer]) -> None:
        """Keep the entries' answers; beyond the limit those given longest ago are forgotten."""
        known = self._answers
        for entry, answer in zip(entries, answers, strict=True):
            known[entry.request_id] = (hash(entry.asked), answer)
            known.move_to_end(entry.request_id)
        while len(known) > self._limit:
            known.popitem(last=False)
