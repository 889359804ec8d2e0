"""The one core behind every door: questions in, logged answers out."""

from asyncio import gather, get_running_loop
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from inference.call import Call
from inference.errors import NoModelError
from inference.hot_path.answering import Answering, Answers
from inference.hot_path.asked import Asked, BatchKey, ask_champion, divide
from inference.hot_path.micro_batching import MicroBatcher
from inference.hot_path.shadow_scoring import ShadowScoring
from inference.model_follower import ModelFollower
from inference.observability.metrics import ServiceMetrics
from inference.prediction_log.answered import Answer
from inference.prediction_log.writer import PredictionLog
from inference.request_schema import Question
from inference.serving_set import ServingSet

MOST_ROWS: Final = 256
THREADS: Final = 2


class PredictionService:
    """Answers questions with the models that serve at that moment, and logs before it answers.

    While the online store is away, features have their declared defaults and the answers say `degraded`.
    """

    def __init__(
        self, follower: ModelFollower, log: PredictionLog, metrics: ServiceMetrics, inline_items: int
    ) -> None:
        """`inline_items`: larger calls go to a worker thread, since they would hold up the others."""
        self._follower, self._metrics, self._inline_items = follower, metrics, inline_items
        self._answering = Answering(log, metrics)
        self._batcher = MicroBatcher[BatchKey, Asked, Answers](self._answering.answer, MOST_ROWS)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="large-calls")
        self._shadows = ShadowScoring(self._answering, metrics)

    async def predict(self, questions: Sequence[Question], call: Call) -> Answers:
        """Answer every question, each with the model that the serving set chooses for it.

        Raises:
            NoModelError: no model is loaded.
            InvalidRequestError: the features given are not those that the model reads.
            InferenceError: as for `Answering`.
        """
        if call.explain or len(questions) > self._inline_items:
            run = get_running_loop().run_in_executor
            return await run(self._threads, self.predict_blocking, questions, call)
        serving = self._serving()
        parts = divide(serving, questions, call)
        if len(parts) == 1:
            answers = await self._ask(serving, parts[0])
        else:
            answers = _in_order(parts, await gather(*(self._ask(serving, part) for part in parts)))
        self._shadows.offer(serving, questions, call)
        return answers

    def predict_blocking(self, questions: Sequence[Question], call: Call) -> Answers:
        """Do the same in a worker thread: for large calls, explanations, and doors without an event loop."""
        serving = self._serving()
        parts = divide(serving, questions, call)
        answers = _in_order(parts, [self._ask_blocking(serving, part) for part in parts])
        self._shadows.offer(serving, questions, call)
        return answers

    def close(self) -> None:
        """Score along what waits, then let go of the threads."""
        self._threads.shutdown()
        self._shadows.close()

    async def _ask(self, serving: ServingSet, asked: Asked) -> Answers:
        try:
            return await self._batcher.submit(asked.key, asked)
        except Exception as error:  # a challenger's failure is not its callers'
            champions = self._ask_champion(serving, asked, error)
            return await self._batcher.submit(champions.key, champions)

    def _ask_blocking(self, serving: ServingSet, asked: Asked) -> Answers:
        try:
            return self._answering.answer_blocking(asked)
        except Exception as error:  # as above
            return self._answering.answer_blocking(self._ask_champion(serving, asked, error))

    def _ask_champion(self, serving: ServingSet, asked: Asked, error: Exception) -> Asked:
        champions = ask_champion(serving, asked, error)
        self._metrics.count_failure(asked.key.model.version, asked.key.role)
        return champions

    def _serving(self) -> ServingSet:
        serving = self._follower.serving
        if serving is None:
            raise NoModelError(self._follower.reason)
        return serving


def _in_order(parts: Sequence[Asked], answered: Sequence[Answers]) -> Answers:
    placed: dict[int, Answer] = {}
    for part, answers in zip(parts, answered, strict=True):
        placed.update(zip(part.places, answers, strict=True))
    return tuple(placed[place] for place in range(len(placed)))
