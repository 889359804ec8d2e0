"""One batch from questions to logged answers: features, matrix, score, log."""

import logging
from asyncio import wrap_future
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from math import ceil, isfinite
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

import msgspec

from features.errors import FeatureError
from inference.core.answer import Answer, Reason
from inference.errors import (
    FeaturesUnavailableError,
    LogUnavailableError,
    RequestIdConflictError,
    ScoringError,
)
from inference.observability.metrics import ServiceMetrics
from inference.prediction.admission import Admission
from inference.prediction.batched_request import BatchedRequest, BatchKey
from inference.prediction.log_lines import log_lines
from inference.prediction.stages import BatchStages
from inference.prediction_log.errors import LogWriteError, RequestIdReusedError
from inference.prediction_log.idempotency import answer_of
from inference.prediction_log.log_folders import RETRY_SECONDS
from inference.prediction_log.segment import Layout, LoggedPrediction
from inference.prediction_log.writer import PredictionLog
from inference.validation.feature_rows import FeatureRow

if TYPE_CHECKING:
    from inference.model_loading.served_model import ServedModel

Answers = tuple[Answer, ...]
Lines = Sequence[LoggedPrediction]
Logged = TypeVar("Logged")
logger = logging.getLogger(__name__)


class Predictor:
    """Answers batches of one key each, in order; what it raises concerns the whole batch.

    Raises:
        FeaturesUnavailableError: the feature repository does not compute what it declares.
        ScoringError: an answer is no number.
        LogUnavailableError: the answers cannot be logged, so they are not given.
        RequestIdConflictError: a request id was answered before for another request of the same caller.
        ExplanationUnavailableError: reasons are asked for, and this version has none.
    """

    def __init__(self, log: PredictionLog, metrics: ServiceMetrics, admission: Admission) -> None:
        self._log, self._metrics, self._admission = log, metrics, admission

    def answer(
        self, key: BatchKey, batch: Sequence[BatchedRequest]
    ) -> Awaitable[list[Answers]] | list[Answers]:
        """Answer on the event loop: at once where the features are given, else when they are looked up."""
        began = perf_counter()
        self._admission.start_batch(len(batch))
        stages = BatchStages(self._metrics, batch, began)
        if key.given:
            return self._answer_logged(batch, _given_rows(batch), stages)
        return self._look_up_and_answer(key.model, batch, stages)

    def answer_blocking(self, request: BatchedRequest) -> Answers:
        """Answer one caller in a worker thread, with reasons where they are asked for."""
        stages = BatchStages(self._metrics, [request], perf_counter())
        rows = _read_blocking(request, stages)
        # First, so that what cannot be explained is not logged as answered.
        reasons = _find_reasons(request.key.model, rows, stages) if request.call.explain else None
        lines = self._score_and_log(self._log.append, [request], rows, stages)
        [answers] = self._answers([request], lines)
        if reasons is None:
            return answers
        logged = list(map(_logged_row, lines))
        if logged != rows:  # a retry: what was looked up for it may be something else by now
            reasons = _find_reasons(request.key.model, logged, stages)
        return _with_reasons(answers, reasons)

    def score_along(self, request: BatchedRequest) -> None:
        """Score and log in a worker thread what another model answers."""
        stages = BatchStages(self._metrics, [request], perf_counter())
        rows = _read_blocking(request, stages)
        predictions = _score(request.key.model, rows, stages)
        lines = log_lines([request], rows, predictions)
        self._log.append_shadows(lines, request.key.model.layout)

    async def _look_up_and_answer(
        self, model: "ServedModel", batch: Sequence[BatchedRequest], stages: BatchStages
    ) -> list[Answers]:
        began = perf_counter()
        questions = [question for request in batch for question in request.questions]
        with _explained(), self._admission.outside_turns(len(batch)):
            served = await model.reader.read(
                [question.fields for question in questions], [question.as_of for question in questions]
            )
        rows = list(map(model.inputs.served, served))
        stages.took("features", began, perf_counter())
        answered = self._answer_logged(batch, rows, stages)
        return await answered if isinstance(answered, Awaitable) else answered

    def _answer_logged(
        self, batch: Sequence[BatchedRequest], rows: Sequence[FeatureRow], stages: BatchStages
    ) -> Awaitable[list[Answers]] | list[Answers]:
        lines, committed = self._score_and_log(self._log.begin_append, batch, rows, stages)
        if committed is None:
            return self._answers(batch, lines)
        return self._answer_committed(batch, lines, committed, stages)

    async def _answer_committed(
        self, batch: Sequence[BatchedRequest], lines: Lines, committed: "Future[None]", stages: BatchStages
    ) -> list[Answers]:
        began = perf_counter()
        with _refused_unlogged(), self._admission.outside_turns(len(batch)):
            await wrap_future(committed)
        stages.took("commit", began, perf_counter())
        return self._answers(batch, lines)

    def _score_and_log(
        self,
        write: Callable[[Lines, Layout], Logged],
        batch: Sequence[BatchedRequest],
        rows: Sequence[FeatureRow],
        stages: BatchStages,
    ) -> Logged:
        model = batch[0].key.model
        predictions = _score(model, rows, stages)
        began = perf_counter()
        with _refused_unlogged():
            logged = write(log_lines(batch, rows, predictions), model.layout)
        stages.took("log", began, perf_counter())
        return logged

    def _answers(self, batch: Sequence[BatchedRequest], lines: Lines) -> list[Answers]:
        layout = batch[0].key.model.layout
        answers = tuple([answer_of(line, layout) for line in lines])
        self._count(batch, answers)
        return list(_divided(answers, batch))

    def _count(self, batch: Sequence[BatchedRequest], answers: Answers) -> None:
        if len({request.call.protocol for request in batch}) == 1:
            self._metrics.count_answers(answers, batch[0].call.protocol)
        else:
            for request, own in zip(batch, _divided(answers, batch), strict=True):
                self._metrics.count_answers(own, request.call.protocol)


def _score(model: "ServedModel", rows: Sequence[FeatureRow], stages: BatchStages) -> list[float]:
    began = perf_counter()
    scored = model.scorer_for(len(rows)).score_matrix(model.inputs.matrix(rows))
    stages.scored(len(rows), began, perf_counter())
    predictions: list[float] = scored.tolist()
    if not all(map(isfinite, predictions)):
        raise ScoringError(f"version {model.version} answered no number; roll back")
    return predictions


def _find_reasons(
    model: "ServedModel", rows: Sequence[FeatureRow], stages: BatchStages
) -> list[tuple[Reason, ...]]:
    began = perf_counter()
    reasons = model.explainer.explain(model.inputs.matrix(rows))
    stages.took("explain", began, perf_counter())
    return reasons


def _logged_row(line: LoggedPrediction) -> FeatureRow:
    return FeatureRow(line.texts, line.numbers, line.statuses, line.ages)


def _with_reasons(answers: Answers, reasons: Sequence[tuple[Reason, ...]]) -> Answers:
    return tuple(
        msgspec.structs.replace(answer, reasons=own) for answer, own in zip(answers, reasons, strict=True)
    )


def _read_blocking(request: BatchedRequest, stages: BatchStages) -> list[FeatureRow]:
    if request.key.given:
        return _given_rows([request])
    model, began = request.key.model, perf_counter()
    with _explained():
        served = model.reader.read_blocking(
            [question.fields for question in request.questions],
            [question.as_of for question in request.questions],
        )
    rows = list(map(model.inputs.served, served))
    stages.took("features", began, perf_counter())
    return rows


def _given_rows(batch: Sequence[BatchedRequest]) -> list[FeatureRow]:
    return [row for request in batch for row in request.rows or ()]


def _divided(answers: Answers, batch: Sequence[BatchedRequest]) -> Iterator[Answers]:
    start = 0
    for request in batch:
        yield answers[start : start + request.size]
        start += request.size


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except FeatureError as error:
        logger.warning("The online features cannot be computed: %s", error)
        to_do = "run `python -m features apply`, try again"
        raise FeaturesUnavailableError(
            f"the online features cannot be computed; {to_do}",
            detail=f"the online features cannot be computed ({error}); {to_do}",
        ) from error


@contextmanager
def _refused_unlogged() -> Iterator[None]:
    try:
        yield
    except RequestIdReusedError as error:
        raise RequestIdConflictError(str(error)) from error
    except (LogWriteError, OSError) as error:
        raise LogUnavailableError(
            "the prediction log cannot be written, so nothing was answered; try again",
            headers={"Retry-After": str(ceil(RETRY_SECONDS))},
            detail=f"{error}. Nothing was answered; try again",
        ) from error
