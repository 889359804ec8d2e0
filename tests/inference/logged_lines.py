"""Lines of a prediction log, and what is read back of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from features.settings import Settings
from inference.prediction_log.reader import read_predictions
from inference.prediction_log.schema import (
    feature_types,
    key_types,
    log_folder,
)
from inference.prediction_log.segment import (
    Layout,
    LoggedPrediction,
    divide_values,
)
from inference.prediction_log.writer import PredictionLog
from tests.inference.bundles import COLUMNS
from tests.inference.parking import PROBLEM

LAYOUT = Layout(key_types(PROBLEM.fields), feature_types(COLUMNS))
DAY = datetime(2024, 5, 1, tzinfo=UTC)
NEVER = 3_600.0
VALUES = (1.0, None, 200.0, "hill", 13.0, 0.25)


def entry(
    name: str, at: datetime = DAY, version: str = "1", site: str = "north", value: float = 0.5
) -> LoggedPrediction:
    """A line of the log."""
    texts, numbers = divide_values(LAYOUT, VALUES)
    return LoggedPrediction(
        request_id=name,
        prediction_time=at,
        logged_at=datetime.now(UTC),
        model_version=version,
        role="champion",
        source="online",
        prediction=value,
        latency_ms=1.5,
        keys=(site, "2024-05-01T13:00:00+00:00", 40, None),
        texts=texts,
        numbers=numbers,
        statuses=("present", "missing", "present", "present", "stale", "present"),
        ages=(60.0, None, 0.0, 0.0, None, None),
    )


def with_features(
    line: LoggedPrediction, values: Sequence[str | float | None], layout: Layout = LAYOUT
) -> LoggedPrediction:
    """The line with other features."""
    texts, numbers = divide_values(layout, values)
    return replace(line, texts=texts, numbers=numbers)


def open_log(settings: Settings, seal_rows: int = 10_000, remember: int = 100) -> PredictionLog:
    """A log that seals only when told, or when there is much."""
    return PredictionLog(log_folder(settings), seal_rows, NEVER, remember)


def read_ids(settings: Settings, start: datetime = DAY, days: int = 1) -> list[str]:
    """The request ids read back, in order."""
    return read_predictions(settings, start, start + timedelta(days=days))["request_id"].tolist()


def sealed_files(settings: Settings) -> list[Path]:
    """The sealed Parquet files."""
    return sorted(log_folder(settings).glob("date=*/*.parquet"))
