"""What of a scored batch is logged: a line for each question."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from time import perf_counter

from inference.prediction.batched_request import BatchedRequest
from inference.prediction_log.segment import GIVEN, ONLINE, Layout, LoggedPrediction, Scalar
from inference.validation.feature_rows import FeatureRow


def log_lines(
    batch: Sequence[BatchedRequest], rows: Sequence[FeatureRow], predictions: Sequence[float]
) -> list[LoggedPrediction]:
    """The lines of the batch's questions, in order; latency runs from each call's arrival to now."""
    model, role, given = batch[0].key
    logged_at, now = datetime.now(UTC), perf_counter()
    questions = [
        (question, round((now - request.call.started) * 1_000, 3), request.call.caller)
        for request in batch
        for question in request.questions
    ]
    return [
        LoggedPrediction(
            request_id=question.request_id,
            prediction_time=question.as_of,
            logged_at=logged_at,
            model_version=model.version,
            role=role,
            source=GIVEN if given else ONLINE,
            prediction=prediction,
            latency_ms=latency,
            keys=_keys(question.fields, model.layout),
            texts=row.texts,
            numbers=row.numbers,
            statuses=row.statuses,
            ages=row.ages,
            caller=caller,
            is_timed=question.is_timed,
        )
        for (question, latency, caller), row, prediction in zip(questions, rows, predictions, strict=True)
    ]


def _keys(fields: Mapping[str, object], layout: Layout) -> tuple[Scalar, ...]:
    if not fields:
        return (None,) * len(layout.keys)
    return tuple([_scalar(fields.get(name)) for name, _ in layout.keys])


def _scalar(value: object) -> Scalar:
    return value.isoformat() if isinstance(value, datetime) else value  # type: ignore[return-value]
