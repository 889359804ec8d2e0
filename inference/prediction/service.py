"""The one core behind every protocol: questions in, logged answers out."""

from asyncio import gather
from collections.abc import Sequence
from typing import Final

from inference.core.answer import Answer
from inference.model_loading.model_follower import ModelFollower
from inference.model_loading.serving_set import ServingSet
from inference.observability.call import Call
from inference.observability.metrics import ServiceMetrics
from inference.prediction.admission import Admission
from inference.prediction.batched_request import BatchedRequest, BatchKey, ask, ask_champion, divide
from inference.prediction.bounded_threads import BoundedThreads
from inference.prediction.micro_batching import MicroBatcher, Receiver
from inference.prediction.predictor import Answers, Predictor
from inference.prediction.shadow_scoring import ShadowScoring
from inference.prediction_log.writer import PredictionLog
from inference.validation.schema import Question

MAX_BATCH_SIZE: Final = 256
LOOKED_UP: Final = 4
THREADS: Final = 2
# Large calls that wait for a thread, of up to `max_items` each.
WAITING_CALLS: Final = 16


class PredictionService:
    """Answers questions with the models that serve at that moment, and logs before it answers.

    While the online store is away, features have their declared defaults and the answers say `degraded`.
    """

    def __init__(
        self,
        follower: ModelFollower,
        log: PredictionLog,
        metrics: ServiceMetrics,
        admission: Admission,
        inline_items: int,
    ) -> None:
        """`inline_items`: larger calls go to a worker thread, since they would hold up the others.

        A question whose features are looked up counts as `LOOKED_UP` that bring theirs.
        """
        self._follower, self._metrics, self._inline_items = follower, metrics, inline_items
        self._admission = admission
        self._predictor = Predictor(log, metrics, admission)
        self._batcher = MicroBatcher[BatchKey, BatchedRequest, Answers](
            self._predictor.answer, MAX_BATCH_SIZE
        )
        self._threads = BoundedThreads("large-calls", THREADS, WAITING_CALLS)
        self._shadows = ShadowScoring(self._predictor, metrics)

    def begin(
        self,
        questions: Sequence[Question],
        call: Call,
        serving: ServingSet | None,
        receiver: Receiver[Answers],
    ) -> bool:
        """Have the receiver told the answers in the loop's next turn; whether that can be.

        It can where one model answers all of them at once from features that are given.

        Raises:
            InvalidRequestError: they are not those that the model reads.
        """
        if serving is None or serving.challenger or call.explain or self._is_large(questions):
            return False
        if None in [question.features for question in questions]:
            return False
        key = BatchKey(serving.champion, "champion", given=True)
        self._batcher.enter(key, ask(key, questions, call), receiver)
        return True

    async def predict(
        self, questions: Sequence[Question], call: Call, serving: ServingSet | None = None
    ) -> Answers:
        """Answer every question, each with the model that the serving set chooses for it.

        `serving`: the models that serve, where the questions were read for them.

        Raises:
            NoModelError: no model is loaded.
            InvalidRequestError: the features given are not those that the model reads.
            OverloadedError: too many large calls wait.
            InferenceError: as for `Predictor`.
        """
        if call.explain or self._is_large(questions):
            with self._admission.outside_turns(1):
                return await self._threads.run(self.predict_blocking, questions, call, serving)
        serving = serving or self._follower.require_serving()
        parts = divide(serving, questions, call)
        if len(parts) == 1:
            answers = await self._ask(serving, parts[0])
        else:
            answers = _in_order(parts, await gather(*(self._ask(serving, part) for part in parts)))
        self._shadows.offer(serving, questions, call)
        return answers

    def predict_blocking(
        self, questions: Sequence[Question], call: Call, serving: ServingSet | None = None
    ) -> Answers:
        """Do the same in a worker thread: for large calls, explanations, callers without an event loop."""
        serving = serving or self._follower.require_serving()
        parts = divide(serving, questions, call)
        answers = _in_order(parts, [self._ask_blocking(serving, part) for part in parts])
        self._shadows.offer(serving, questions, call)
        return answers

    def close(self) -> None:
        """Score along what waits, then let go of the threads."""
        self._threads.close()
        self._shadows.close()

    def _is_large(self, questions: Sequence[Question]) -> bool:
        looked_up = [question.features for question in questions].count(None)
        return len(questions) + (LOOKED_UP - 1) * looked_up > self._inline_items

    async def _ask(self, serving: ServingSet, request: BatchedRequest) -> Answers:
        try:
            return await self._batcher.submit(request.key, request)
        except Exception as error:  # a challenger's failure is not its callers'
            champions = self._ask_champion(serving, request, error)
            return await self._batcher.submit(champions.key, champions)

    def _ask_blocking(self, serving: ServingSet, request: BatchedRequest) -> Answers:
        try:
            return self._predictor.answer_blocking(request)
        except Exception as error:  # as above
            return self._predictor.answer_blocking(self._ask_champion(serving, request, error))

    def _ask_champion(self, serving: ServingSet, request: BatchedRequest, error: Exception) -> BatchedRequest:
        champions = ask_champion(serving, request, error)
        self._metrics.count_failure(request.key.model.version, request.key.role)
        return champions


def _in_order(parts: Sequence[BatchedRequest], answered: Sequence[Answers]) -> Answers:
    if len(parts) == 1:
        return answered[0]
    placed: dict[int, Answer] = {}
    for part, answers in zip(parts, answered, strict=True):
        placed.update(zip(part.places, answers, strict=True))
    return tuple(placed[place] for place in range(len(placed)))
