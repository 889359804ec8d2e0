"""Small random tables under the small repository, with all that is awkward: ties, nulls, gaps, strangers."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.apply import apply_repository
from features.settings import FeatureSettings

REPOSITORY = Path(__file__).parent / "small_repository"
START = datetime(2024, 3, 1, tzinfo=UTC)
HOURS = 48
DEVICES = [f"d{number}" for number in range(6)]
SITES = [1, 2, 3]


def build_world(folder: Path, seed: int = 7, **changes: Any) -> FeatureSettings:
    """Write the tables, apply the repository, and return its settings, changed as told."""
    settings = FeatureSettings(var=folder, feature_repo=REPOSITORY, **changes)
    settings.tables.mkdir(parents=True)
    for name, table in make_tables(np.random.default_rng(seed)).items():
        table.to_parquet(settings.tables / f"{name}.parquet", coerce_timestamps="us")
    apply_repository(settings)
    return settings


def make_tables(random: np.random.Generator) -> dict[str, pd.DataFrame]:
    readings = pd.DataFrame(
        {
            "device": random.choice(DEVICES, 300),
            "observed_at": moments(random, 300, step="10min"),
            "created_at": START + pd.to_timedelta(random.permutation(300), unit="min"),
            "raw_level": with_gaps(random, random.normal(size=300)),
            "mode": with_gaps(random, random.choice(["low", "high"], 300)),
            "count": pd.array(random.integers(0, 9, 300), dtype="Int64"),
        }
    )
    readings.loc[::7, "count"] = pd.NA
    site_load = pd.DataFrame(
        {
            "site": random.choice(SITES, 120),
            "event_timestamp": moments(random, 120, step="1s"),
            "load": random.normal(size=120).astype("float32"),
            "open": with_gaps(random, random.random(120) < 0.5),
        }
    ).drop_duplicates(["site", "event_timestamp"])
    pairing = pd.DataFrame(
        {
            "site": random.choice(SITES, 200),
            "device": random.choice(DEVICES[:4], 200),
            "event_timestamp": moments(random, 200, step="1us"),
            "score": with_gaps(random, random.normal(size=200)),
        }
    )
    season = pd.DataFrame({"event_timestamp": [START], "season_index": [0.25]})
    return {"readings": readings, "site_load": site_load, "pairing": pairing, "season": season}


def make_examples(seed: int = 11, rows: int = 400) -> pd.DataFrame:
    """Return examples with unknown and missing keys and missing request fields, in no order."""
    random = np.random.default_rng(seed)
    due = pd.Series(moments(random, rows, step="1min"))
    devices: list[Any] = [*DEVICES, "stranger", None]
    return pd.DataFrame(
        {
            "example_id": [f"e{number}" for number in range(rows)],
            "device": random.choice(devices, rows),
            "site": random.choice([*SITES, 99], rows),
            "due_at": due.where(random.random(rows) > 0.1),
            "amount": pd.array(random.integers(1, 50, rows), dtype="Int64"),
            "note": with_gaps(random, random.choice(["urgent", "later"], rows)),
            "event_timestamp": moments(random, rows, step="10min"),
        }
    )


def moments(random: np.random.Generator, count: int, step: str) -> pd.DatetimeIndex:
    """Return random instants on a grid, so that coarse steps make ties and exact TTL boundaries."""
    steps = pd.Timedelta(hours=HOURS) // pd.Timedelta(step)
    return (START + pd.to_timedelta(random.integers(0, steps, count) * pd.Timedelta(step))).as_unit("us")


def with_gaps(random: np.random.Generator, values: np.ndarray) -> pd.Series:
    return pd.Series(values).astype(object).where(random.random(len(values)) > 0.15, None).infer_objects()
