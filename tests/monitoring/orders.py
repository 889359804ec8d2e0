"""A small binary problem to monitor: will an order be sent back? Drawn at random, and made to drift."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from contracts.problem import DriftPolicy, GatePolicy, Label, Problem, RequestField, Windows
from features.schema.feature_column import FeatureColumn

COLUMNS = (
    FeatureColumn(name="country", kind="categorical"),
    FeatureColumn(name="amount", kind="numeric"),
    FeatureColumn(name="items", kind="numeric"),
    FeatureColumn(name="rating", kind="numeric"),
    FeatureColumn(name="weekday", kind="numeric"),
)
POLICY = DriftPolicy(
    minimum_sample=300,
    feature_share=0.3,
    windows_needed=2,
    windows_seen=3,
    cool_down=timedelta(days=14),
    ignored_features=("weekday",),
)
PROBLEM = Problem(
    name="orders_sent_back",
    title="Orders that are sent back",
    unit="orders",
    task="binary",
    entity_keys=(RequestField(name="customer", dtype="string", example="c-1", description="Who ordered"),),
    request_fields=(
        RequestField(
            name="ships_at", dtype="timestamp", example="2024-05-01T12:00:00Z", description="When it leaves"
        ),
    ),
    event_time_field="ships_at",
    horizon=timedelta(hours=1),
    label=Label(name="sent_back", expression="returned_items > 0", due_within=timedelta(days=3)),
    feature_service="orders_v1",
    candidates="tests.monitoring.orders:CANDIDATES",
    primary_metric="log_loss",
    windows=Windows(early_stopping=timedelta(days=7), calibration=timedelta(days=7), gate=timedelta(days=7)),
    gate=GatePolicy(margin_over_base_rate=0.01, minimum_sample=100),
    drift=POLICY,
)
START = datetime(2024, 5, 6, tzinfo=UTC)
WEEK = POLICY.window


def draw_orders(
    start: datetime,
    orders: int,
    seed: int,
    days: float = 7,
    bigger: float = 0.0,
    worse: float = 0.0,
    unrated: float = 0.05,
    noise: float = 0.0,
) -> pd.DataFrame:
    """Orders of some days: features, the prediction of a model that was right before any change, the label.

    `bigger` shifts amount and items (in standard deviations), `worse` the log odds of the label, which the
    model does not see; `unrated` is the share without rating; `noise` blurs the model. Labels come 6 to 60
    hours late.
    """
    random = np.random.default_rng(seed)
    amount, items = random.normal(bigger, 1, orders), random.normal(bigger, 1, orders)
    log_odds = -1.2 + 1.2 * (amount - bigger) + 0.6 * (items - bigger)
    placed = pd.Series(start + pd.to_timedelta(np.sort(random.random(orders)) * days, unit="D")).dt.floor(
        "us"
    )
    return pd.DataFrame(
        {
            "order_id": [f"{start:%m%d}-{seed}-{number}" for number in range(orders)],
            "placed_at": placed.astype("datetime64[us, UTC]"),
            "country": random.choice(["de", "fr", "pl"], orders, p=[0.5, 0.3, 0.2]),
            "amount": amount,
            "items": items,
            "rating": np.where(random.random(orders) < unrated, np.nan, random.normal(4, 0.5, orders)),
            "weekday": placed.dt.weekday.astype(float),
            "prediction": _logistic(log_odds + random.normal(0, noise or 1e-9, orders)),
            "sent_back": random.random(orders) < _logistic(log_odds + worse),
            "known_at": (placed + pd.to_timedelta(6 + 54 * random.random(orders), unit="h")).astype(
                "datetime64[us, UTC]"
            ),
        }
    )


def _logistic(log_odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-log_odds))
