"""A tiny second problem: how full will a car park be an hour from now?"""

from datetime import timedelta

from contracts.problem import GatePolicy, Label, Problem, RequestField, Windows

PROBLEM = Problem(
    name="parking",
    title="How full a car park will be",
    unit="hours",
    task="regression",
    entity_keys=(
        RequestField(name="site", dtype="string", max_length=16, example="north", description="The car park"),
    ),
    request_fields=(
        RequestField(
            name="opens_at", dtype="timestamp", example="2024-05-02T09:00:00Z", description="The hour"
        ),
        RequestField(
            name="spaces", dtype="integer", minimum=1, maximum=10_000, example=120, description="Free spaces"
        ),
        RequestField(
            name="fee", dtype="number", minimum=0, nullable=True, example=2.5, description="Per hour"
        ),
    ),
    event_time_field="opens_at",
    horizon=timedelta(hours=1),
    label=Label(name="fullness", expression="cars / 100.0", due_within=timedelta(hours=6)),
    feature_service="parking_v1",
    candidates="tests.inference.parking:CANDIDATES",
    primary_metric="rmse",
    windows=Windows(
        early_stopping=timedelta(days=1),
        calibration=timedelta(days=1),
        gate=timedelta(days=1),
        minimum_rows=10,
    ),
    gate=GatePolicy(margin_over_base_rate=0.01, probability_over_champion=0.0, minimum_sample=10),
)
