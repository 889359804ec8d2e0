"""One prediction from question to logged answer: features, score, log."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from features.errors import FeatureError
from inference.errors import (
    FeaturesUnavailableError,
    LogUnavailableError,
    NoModelError,
    RequestIdConflictError,
    ScoringError,
)
from inference.feature_rows import served_matrix
from inference.metrics import ServiceMetrics
from inference.model_follower import ModelFollower
from inference.prediction_log.answered import Answer
from inference.prediction_log.errors import LogWriteError, RequestIdReusedError
from inference.prediction_log.journal import Layout, LoggedPrediction, Scalar
from inference.prediction_log.writer import PredictionLog
from inference.request_schema import Question
from inference.served_model import ServedModel
from training.matrix import Floats

if TYPE_CHECKING:
    from features.online import ServedFeatures

ROLE = "champion"
SOURCE = "online"


class PredictionService:
    """Answers questions with the model that is served at that moment, and logs before it answers."""

    def __init__(self, follower: ModelFollower, log: PredictionLog, metrics: ServiceMetrics) -> None:
        self._follower, self._log, self._metrics = follower, log, metrics

    def predict(self, questions: Sequence[Question], started: float) -> tuple[Answer, ...]:
        """Answer every question, all with one model version; `started` is `perf_counter()` at arrival.

        Raises:
            NoModelError: no model is loaded.
            FeaturesUnavailableError: the online store cannot be read.
            LogUnavailableError: the answers cannot be logged, so they are not given.
            RequestIdConflictError: a request id was answered before for other fields.
        """
        model = self._follower.served
        if model is None:
            raise NoModelError(self._follower.reason)
        with self._metrics.timed("features"):
            served = self._read_features(model, questions)
        with self._metrics.timed("score"):
            predictions = self._score(model, served)
        entries = _entries(model, questions, served, predictions, started)
        with self._metrics.timed("log"):
            answers = self._append(entries, model.layout)
        self._metrics.count_answers(answers)
        return answers

    def _read_features(self, model: ServedModel, questions: Sequence[Question]) -> "list[ServedFeatures]":
        try:
            return model.reader.read(
                [question.fields for question in questions], [question.as_of for question in questions]
            )
        except (FeatureError, sqlite3.Error) as error:
            raise FeaturesUnavailableError(
                f"the online features cannot be read ({error}); run `python -m features apply`, try again"
            ) from error

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
