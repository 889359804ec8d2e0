"""A second problem, to show that nothing else has to change: bicycles taken from a dock in the next hour."""

from datetime import timedelta

from contracts.problem import DriftPolicy, GatePolicy, Guardrail, Label, Problem, RequestField, Windows
from training.estimators.base import Estimator
from training.estimators.base_rate import BaseRateEstimator
from training.estimators.linear import LinearEstimator
from training.estimators.xgboost_trees import BoostedTreesEstimator

CANDIDATES: tuple[Estimator, ...] = (
    BaseRateEstimator(task="regression"),
    LinearEstimator(task="regression"),
    BoostedTreesEstimator(task="regression"),
)

PROBLEM = Problem(
    name="dock_demand",
    title="Bicycles taken from a dock in the next hour",
    unit="dock hours",
    task="regression",
    entity_keys=(
        RequestField(name="station", dtype="string", max_length=16, example="quay", description="The dock"),
    ),
    request_fields=(
        RequestField(
            name="starts_at",
            dtype="timestamp",
            example="2024-03-01T08:00:00Z",
            description="Start of the hour that is asked about",
        ),
        RequestField(
            name="forecast",
            dtype="number",
            minimum=-40,
            maximum=50,
            example=11.5,
            description="Forecast temperature of that hour, in degrees Celsius",
        ),
    ),
    event_time_field="starts_at",
    horizon=timedelta(hours=1),
    label=Label(name="rides", expression="rides_counted", due_within=timedelta(hours=6)),
    feature_service="dock_demand_v1",
    candidates="tests.second_problem.problem:CANDIDATES",
    primary_metric="rmse",
    slices=("station",),
    windows=Windows(
        early_stopping=timedelta(days=5),
        calibration=timedelta(days=5),
        gate=timedelta(days=5),
        minimum_rows=500,
    ),
    gate=GatePolicy(
        margin_over_base_rate=1.0,
        minimum_sample=200,
        guardrails=(Guardrail(metric="bias", tolerance=1.0),),
    ),
    drift=DriftPolicy(minimum_sample=100, windows_needed=2, windows_seen=2, cool_down=timedelta(days=14)),
    card="Predicts an invented demand. It exists to show that the rooms serve any problem.",
)
