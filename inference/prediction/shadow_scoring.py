"""Scores along, unseen, what a rollout wants scored: after the answers, in a thread, never in their way."""

import logging
from collections.abc import Sequence
from queue import SimpleQueue
from threading import Lock, Thread
from time import perf_counter
from typing import TYPE_CHECKING, Final

from inference.model_loading.serving_set import ServingSet
from inference.observability.call import Call
from inference.observability.metrics import ServiceMetrics
from inference.prediction.batched_request import BatchKey, ask
from inference.prediction.predictor import Predictor

if TYPE_CHECKING:
    from inference.model_loading.served_model import ServedModel
    from inference.validation.schema import Question

logger = logging.getLogger(__name__)

# Requests that wait to be scored along; beyond, they are dropped and counted.
WAITING_REQUESTS: Final = 1_000

Shadowed = tuple["ServedModel", "list[Question]", Call]


class ShadowScoring:
    """Takes questions that were answered and has a second model score and log them, as `shadow`."""

    def __init__(self, predictor: Predictor, metrics: ServiceMetrics) -> None:
        self._predictor, self._metrics = predictor, metrics
        self._waiting: SimpleQueue[Shadowed | None] = SimpleQueue()
        self._starting = Lock()
        self._thread: Thread | None = None
        self._failed = False

    def offer(self, serving: ServingSet, questions: "Sequence[Question]", call: Call) -> None:
        """Take what is to be scored along. Never blocks, never fails."""
        if serving.challenger is None:
            return
        shadowed = [question for question in questions if serving.shadows(question) is not None]
        if not shadowed:
            return
        if self._waiting.qsize() >= WAITING_REQUESTS:
            self._metrics.count_dropped(serving.challenger.version)
            return
        if self._thread is None:
            self._start_once()
        self._waiting.put((serving.challenger, shadowed, call))

    def close(self) -> None:
        """Score what waits, then stop."""
        self._waiting.put(None)
        if self._thread is not None:
            self._thread.join()

    def _start_once(self) -> None:
        with self._starting:  # the event loop and worker threads offer
            if self._thread is None:
                self._thread = Thread(target=self._score_waiting, name="shadow-scoring", daemon=True)
                self._thread.start()

    def _score_waiting(self) -> None:
        while (shadowed := self._waiting.get()) is not None:
            try:
                self._score(*shadowed)
            except Exception:  # a shadow harms nobody, whatever it does
                self._metrics.count_failure(shadowed[0].version, "shadow")
                if not self._failed:
                    logger.exception("A shadow could not be scored; further failures are only counted")
                self._failed = True

    def _score(self, model: "ServedModel", questions: "Sequence[Question]", call: Call) -> None:
        for given in (False, True):
            own = [question for question in questions if (question.features is not None) is given]
            if own:
                self._predictor.score_along(ask(BatchKey(model, "shadow", given), own, _apart(call)))


def _apart(call: Call) -> Call:
    """The call as the shadow sees it: timed on its own, not traced and not explained."""
    return Call(perf_counter(), call.protocol, call.caller, call.request_id)
