"""The request ids answered lately, so that a retry gets the answer that stands in the log."""

from collections import OrderedDict

import msgspec

from inference.prediction_log.journal import Layout, LoggedPrediction


class Answer(msgspec.Struct, frozen=True):
    """What a caller was told: the prediction, who made it, and which features were missing or stale."""

    request_id: str
    prediction: float
    model_version: str
    missing: tuple[str, ...]
    stale: tuple[str, ...]


def answer_of(entry: LoggedPrediction, layout: Layout) -> Answer:
    """The answer that a logged line stands for."""
    flagged = [
        (name, status)
        for (name, _), status in zip(layout.features, entry.statuses, strict=True)
        if status in ("missing", "stale")
    ]
    return Answer(
        entry.request_id,
        entry.prediction,
        entry.model_version,
        tuple(name for name, status in flagged if status == "missing"),
        tuple(name for name, status in flagged if status == "stale"),
    )


class AnsweredRequests:
    """The last `limit` answers by request id, with what was asked. Its owner holds a lock."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._answers: OrderedDict[str, tuple[int, Answer]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    def recall(self, request_id: str) -> Answer | None:
        """The answer given to this request id, if it is still remembered."""
        found = self._answers.get(request_id)
        return found[1] if found else None

    def asked_otherwise(self, entry: LoggedPrediction) -> bool:
        """Whether this request id was answered for other fields than the entry's."""
        found = self._answers.get(entry.request_id)
        return found is not None and found[0] != hash(entry.keys)

    def remember(self, entry: LoggedPrediction, answer: Answer) -> None:
        """Keep an answer; the oldest is forgotten beyond the limit."""
        self._answers[entry.request_id] = (hash(entry.keys), answer)
        if len(self._answers) > self._limit:
            self._answers.popitem(last=False)
