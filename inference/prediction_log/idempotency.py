"""The requests answered lately, so that a retry gets the answer that stands in the log."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from inference.core.answer import Answer
from inference.core.packed_numbers import NUMBER
from inference.prediction_log.schema import CATEGORICAL, DEFAULT, MISSING, PRESENT, STALE
from inference.prediction_log.segment import GIVEN, Layout, LoggedPrediction

FLAGGED = (MISSING, STALE, DEFAULT)
# The same few features are missing again and again: so many different patterns are remembered.
PATTERNS = 4_096
NOTHING_FLAGGED: tuple[tuple[str, ...], ...] = ((), (), ())
# The caller and the id that it chose: nobody gets, or is refused for, what another caller asked.
Identity = tuple[str | None, str]


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
    """The lines that answered the last `limit` requests. Its owner holds a lock.

    What is only scored unseen is no answer, and not remembered.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lines: OrderedDict[Identity, tuple[LoggedPrediction, Layout]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._lines)

    def are_new(self, entries: Sequence[LoggedPrediction]) -> bool:
        """Whether none of them is remembered, and none is there twice."""
        identities = {identity_of(entry) for entry in entries}
        return len(identities) == len(entries) and self._lines.keys().isdisjoint(identities)

    def recall(self, entry: LoggedPrediction) -> LoggedPrediction | None:
        """The line with which this model version answered this request, if it is still remembered."""
        found = self._lines.get(identity_of(entry))
        return found[0] if found and found[0].model_version == entry.model_version else None

    def was_another(self, entry: LoggedPrediction, layout: Layout) -> bool:
        """Whether another request than the entry's was answered under its id."""
        found = self._lines.get(identity_of(entry))
        return found is not None and not is_same_request((entry, layout), found)

    def remember(self, entries: Iterable[LoggedPrediction], layout: Layout) -> None:
        """Keep the lines; beyond the limit those written longest ago are forgotten."""
        known = self._lines
        for entry in entries:
            identity = identity_of(entry)
            known[identity] = (entry, layout)
            known.move_to_end(identity)
        while len(known) > self._limit:
            known.popitem(last=False)

    def forget(self, entries: Iterable[LoggedPrediction]) -> None:
        """Drop lines that were not kept after all."""
        for entry in entries:
            self._lines.pop(identity_of(entry), None)


def identity_of(entry: LoggedPrediction) -> Identity:
    """By what a retry is recognised."""
    return entry.caller, entry.request_id


def is_same_request(one: tuple[LoggedPrediction, Layout], other: tuple[LoggedPrediction, Layout]) -> bool:
    """Whether two lines were asked for alike, in all that decides an answer.

    The requests themselves are compared, for which no digest need be made of each that comes only once.
    """
    return _request_of(*one) == _request_of(*other)


def _request_of(entry: LoggedPrediction, layout: Layout) -> tuple[object, ...]:
    fields = dict(zip((name for name, _ in layout.keys), entry.keys, strict=True))
    features = dict(_named_features(entry, layout)) if entry.source == GIVEN else None
    return fields, features, entry.prediction_time if entry.is_timed else None


def _named_features(entry: LoggedPrediction, layout: Layout) -> Iterator[tuple[str, str | bytes | None]]:
    """By name: another version of the model may read them in another order."""
    size, texts = NUMBER.itemsize, iter(entry.texts)
    numbers = iter([entry.numbers[at : at + size] for at in range(0, len(entry.numbers), size)])
    for name, kind in layout.features:
        yield name, next(texts) if kind == CATEGORICAL else next(numbers)
