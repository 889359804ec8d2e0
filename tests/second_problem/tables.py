"""The docks' tables: an invented demand whose morning peak moves in the last weeks."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

START = datetime(2024, 3, 1, tzinfo=UTC)
DAYS = 60
SHIFT = START + timedelta(days=40)
STATIONS = {"quay": 6.0, "market": 14.0, "campus": 10.0, "hill": 3.0}
DISTRICTS = {"quay": "harbour", "market": "centre", "campus": "centre", "hill": "north"}
SHIFTED_FACTOR = 2.5
HORIZON = timedelta(hours=1)


def write_tables(tables: Path, seed: int = 7) -> None:
    """Write the contract tables and the feature tables, all in microsecond UTC."""
    tables.mkdir(parents=True, exist_ok=True)
    hours = dock_hours(seed)
    examples = pd.DataFrame(
        {
            "example_id": hours["station"] + "-" + hours["starts_at"].dt.strftime("%Y%m%d%H"),
            "station": hours["station"],
            "starts_at": hours["starts_at"],
            "forecast": hours["forecast"],
            "event_timestamp": hours["starts_at"] - HORIZON,
        }
    )
    outcomes = pd.DataFrame(
        {
            "example_id": examples["example_id"],
            "rides_counted": hours["rides"],
            "known_at": hours["starts_at"] + HORIZON,
        }
    )
    frames = {
        "examples": examples,
        "outcomes": outcomes,
        "recent_demand": recent_demand(hours),
        "station_facts": station_facts(),
    }
    for name, frame in frames.items():
        frame.to_parquet(tables / f"{name}.parquet", index=False, coerce_timestamps="us")


def dock_hours(seed: int) -> pd.DataFrame:
    """A row per station and hour: `starts_at`, `forecast`, and the rides that came of it."""
    generator = np.random.default_rng(seed)
    starts = pd.date_range(START, periods=DAYS * 24, freq="h", unit="us")
    hours = pd.MultiIndex.from_product([STATIONS, starts], names=["station", "starts_at"]).to_frame(
        index=False
    )
    hour, forecast = hours["starts_at"].dt.hour, generator.normal(12, 5, len(hours))
    level = hours["station"].map(STATIONS)
    peak = 1 + np.exp(-(((hour - 8) / 2.0) ** 2)) + 0.5 * np.exp(-(((hour - 17) / 3.0) ** 2))
    factor = np.where(hours["starts_at"] >= SHIFT, SHIFTED_FACTOR, 1.0)
    mean = level * peak * factor * (1 + 0.02 * (forecast - 12))
    rides = np.maximum(generator.normal(mean, 1.5), 0.0)
    return hours.assign(forecast=forecast, rides=rides)


def recent_demand(hours: pd.DataFrame) -> pd.DataFrame:
    """Rides of the last hour and the mean of the last day, known when the hour has ended."""
    by_station = hours.groupby("station")["rides"]
    return pd.DataFrame(
        {
            "station": hours["station"],
            "rides_last_hour": hours["rides"],
            "rides_last_day": by_station.transform(lambda rides: rides.rolling(24, min_periods=1).mean()),
            "event_timestamp": hours["starts_at"] + HORIZON,
        }
    )


def station_facts() -> pd.DataFrame:
    """District and number of docks, known from the start."""
    known = pd.Series([START - timedelta(days=1)] * len(STATIONS)).astype("datetime64[us, UTC]")
    return pd.DataFrame(
        {
            "station": list(STATIONS),
            "district": [DISTRICTS[name] for name in STATIONS],
            "docks": [20.0 + 2 * level for level in STATIONS.values()],
            "event_timestamp": known,
        }
    )
