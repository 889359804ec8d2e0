"""The worked problem: will a flight arrive 15 or more minutes late, asked two hours before departure?"""

from datetime import timedelta

from contracts.problem import (
    DriftPolicy,
    GatePolicy,
    Guardrail,
    Label,
    Problem,
    RequestField,
    Windows,
)
from flight_delay.reasons import REASONS

ENTITY_KEYS = (
    RequestField(
        name="origin", dtype="string", max_length=8, example="JFK", description="Airport of departure (IATA)"
    ),
    RequestField(name="carrier", dtype="string", max_length=8, example="DL", description="Airline (IATA)"),
    RequestField(
        name="dest", dtype="string", max_length=8, example="LAX", description="Airport of arrival (IATA)"
    ),
    RequestField(
        name="flight",
        dtype="integer",
        minimum=1,
        maximum=99_999,
        example=1765,
        description="Flight number within the airline",
    ),
    RequestField(
        name="tailnum",
        dtype="string",
        max_length=12,
        nullable=True,
        example="N712TW",
        description="Aircraft registration, when one has been assigned",
    ),
)

REQUEST_FIELDS = (
    RequestField(
        name="scheduled_departure",
        dtype="timestamp",
        example="2013-05-14T18:30:00Z",
        description="Published departure, with a zone",
    ),
    RequestField(
        name="scheduled_arrival",
        dtype="timestamp",
        example="2013-05-15T00:40:00Z",
        description="Published arrival, with a zone",
    ),
    RequestField(
        name="distance",
        dtype="number",
        minimum=1,
        maximum=12_500,
        example=2475.0,
        description="Distance between the airports, in miles",
    ),
)

CARD = """\
Predicts the probability that a flight arrives 15 or more minutes late (the US Department of Transportation's
definition), two hours before its scheduled departure. Trained on flights out of EWR, JFK and LGA.

Flights that were cancelled or diverted have no label and are left out of training and of every metric, so the
prediction is conditional on the flight being flown to its destination. Not meant for safety decisions, and
not shown to hold for other airports or years.
"""

PROBLEM = Problem(
    name="flight_delay",
    title="Flights arriving 15 or more minutes late",
    unit="flights",
    task="binary",
    entity_keys=ENTITY_KEYS,
    request_fields=REQUEST_FIELDS,
    event_time_field="scheduled_departure",
    horizon=timedelta(hours=2),
    label=Label(name="late", expression="arr_delay >= 15", due_within=timedelta(days=2)),
    feature_service="flight_delay_v1",
    candidates="flight_delay.candidates:CANDIDATES",
    primary_metric="log_loss",
    slices=("origin", "carrier"),
    windows=Windows(early_stopping=timedelta(days=3), calibration=timedelta(days=4), gate=timedelta(days=7)),
    gate=GatePolicy(
        margin_over_base_rate=0.02,
        minimum_sample=1_000,
        guardrails=(
            Guardrail(metric="roc_auc", tolerance=0.01),
            Guardrail(metric="calibration_error", tolerance=0.05),
        ),
    ),
    drift=DriftPolicy(feature_share=0.2, calibration_gap=0.04, skill_drop=0.05, cool_down=timedelta(days=28)),
    card=CARD,
    reasons=REASONS,
)
