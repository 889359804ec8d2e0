"""The worked problem with windows of days and one quick family, so that a model is there in seconds."""

from datetime import UTC, datetime, timedelta

from contracts.problem import Windows
from flight_delay.problem import PROBLEM as YEAR_PROBLEM
from training.estimators.base import Estimator
from training.estimators.linear import LinearEstimator

AS_OF = datetime(2013, 1, 20, tzinfo=UTC)
CANDIDATES: tuple[Estimator, ...] = (LinearEstimator(task="binary"),)

PROBLEM = YEAR_PROBLEM.model_copy(
    update={
        "candidates": "tests.flight_delay.quick_problem:CANDIDATES",
        "gate": YEAR_PROBLEM.gate.model_copy(update={"margin_over_base_rate": 1e-6, "guardrails": ()}),
        "windows": Windows(
            fit=timedelta(days=5),
            early_stopping=timedelta(days=1),
            calibration=timedelta(days=2),
            gate=timedelta(days=2),
        ),
    }
)
