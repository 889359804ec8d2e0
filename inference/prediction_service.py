"""One prediction from question to logged answer: features, score, log."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from features.errors import FeatureError
from inference.call import Call
from inference.errors import (
    FeaturesUnavailableError,
    LogUnavailableError,
    NoModelError,
    RequestIdConflictError,
    ScoringError,
)
from inference.feature_rows import served_matrix
from inference.model_follower import ModelFollower
from inference.observability.metrics import ServiceMetrics
from inference.prediction_log.answered import Answer
from inference.prediction_log.errors import LogWriteError, RequestIdReusedError
from inference.prediction_log.journal import Layout, LoggedPrediction, Scalar
from inference.prediction_log.writer import PredictionLog
from inference.request_schema import Question
from inference.served_model import ServedModel
from inference.serving_set import Role
from training.matrix import Floats

if TYPE_CHECKING:
    from features.online.reader import ServedFeatures

ROLE: Role = "champion"
SOURCE = "online"


class PredictionService:
    """Answers questions with the model that is served at that moment, and logs before it answers."""

    def __init__(self, follower: ModelFollower, log: PredictionLog, metrics: ServiceMetrics) -> None:
        self._follower, self._log, self._metrics = follower, log, metrics

    async def predict(self, questions: Sequence[Question], call: Call) -> tuple[Answer, ...]:
        """Answer every question, all with one model version.

        While the online store is away, features have their declared defaults and the answers say `degraded`.

        Raises:
            NoModelError: no model is loaded.
            FeaturesUnavailableError: the feature repository does not compute what it declares.
            LogUnavailableError: the answers cannot be logged, so they are not given.
            RequestIdConflictError: a request id was answered before for other fields.
        """
        model = self._served_model()
        with self._metrics.timed("features"), _explained():
            served = await model.reader.read(*_asked(questions))
        return self._answer(model, questions, served, call.started)

    def predict_blocking(self, questions: Sequence[Question], call: Call) -> tuple[Answer, ...]:
        """Do the same in a worker thread: for large requests."""
        model = self._served_model()
        with self._metrics.timed("features"), _explained():
            served = model.reader.read_blocking(*_asked(questions))
        return self._answer(model, questions, served, call.started)

    def _served_model(self) -> ServedModel:
        model = self._follower.served
        if model is None:
            raise NoModelError(self._follower.reason)
        return model

    def _answer(
        self,
        model: ServedModel,
        questions: Sequence[Question],
        served: "Sequence[ServedFeatures]",
        started: float,
    ) -> tuple[Answer, ...]:
        with self._metrics.timed("score"):
            predictions = self._score(model, served)
        entries = _entries(model, questions, served, predictions, started)
        with self._metrics.timed("log"):
            answers = self._append(entries, model.layout)
        self._metrics.count_answers(answers)
        return answers

    def _score(self, model: ServedModel, served: "Sequence[ServedFeatures]") -> Floats:
        predictions = model.scorer.score_matrix(served_matrix(served, model.columns))
        if not np.isfinite(predictions).all():
            raise ScoringError(f"version {model.version} answered no number; roll back")
        return predictions

    def _append(self, entries: Sequence[LoggedPrediction], layout: Layout) -> tuple[Answer, ...]:
        try:
            return self._log.append(entries, layout)
        except RequestIdReusedError as error:
            raise RequestIdConflictError(str(error)) from error
        except (LogWriteError, OSError) as error:
            raise LogUnavailableError(f"{error}. Nothing was answered; try again") from error


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except FeatureError as error:
        raise FeaturesUnavailableError(
            f"the online features cannot be computed ({error}); run `python -m features apply`, try again"
        ) from error


def _asked(questions: Sequence[Question]) -> tuple[list[Mapping[str, object]], list[datetime]]:
    return [question.fields for question in questions], [question.as_of for question in questions]


def _entries(
    model: ServedModel,
    questions: Sequence[Question],
    served: "Sequence[ServedFeatures]",
    predictions: Floats,
    started: float,
) -> list[LoggedPrediction]:
    names = [column.name for column in model.columns]
    logged_at, latency = datetime.now(UTC), round((perf_counter() - started) * 1_000, 3)
    return [
        LoggedPrediction(
            request_id=question.request_id,
            prediction_time=question.as_of,
            logged_at=logged_at,
            model_version=model.version,
            role=ROLE,
            source=SOURCE,
            prediction=prediction,
            latency_ms=latency,
            keys=tuple(map(_scalar, question.fields.values())),
            values=tuple(map(features.values.__getitem__, names)),
            statuses=tuple(map(features.status.__getitem__, names)),
            ages=tuple(map(features.age_seconds.__getitem__, names)),
        )
        for question, features, prediction in zip(questions, served, predictions.tolist(), strict=True)
    ]


def _scalar(value: object) -> Scalar:
    return value.isoformat() if isinstance(value, datetime) else value  # type: ignore[return-value]
