"""One view over one Parquet source, and the store that reads it: the least that a retrieval needs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64, String

OURS = "features.offline.store.AsOfOfflineStore"
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LEVEL = ["levels:level"]
# Two devices; the first has a reading corrected at two o'clock, an hour after it.
ROWS = pd.DataFrame(
    {
        "device": ["a", "a", "a", "b"],
        "at": pd.to_datetime([NOON, NOON + HOUR, NOON + HOUR, NOON - HOUR]).as_unit("us"),
        "created": pd.to_datetime([NOON, NOON + HOUR, NOON + 2 * HOUR, NOON - HOUR]).as_unit("us"),
        "level": [1.0, 2.0, 3.0, 4.0],
    }
)


def make_config(folder: Path, offline: dict[str, Any]) -> RepoConfig:
    return RepoConfig(
        project="levels",
        provider="local",
        registry=str(folder / "registry.db"),
        offline_store=offline,
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        repo_path=folder,
        entity_key_serialization_version=3,
    )


def open_world(
    folder: Path, path: str | None = None, offline: dict[str, Any] | None = None, **source: Any
) -> FeatureStore:
    """Apply the view `levels` (TTL three hours) over `path` and open its store."""
    folder.mkdir(parents=True, exist_ok=True)
    config = make_config(folder, {"type": OURS, "temp_directory": str(folder / "spill"), **(offline or {})})
    device = Entity(name="device", value_type=ValueType.STRING)
    view = FeatureView(
        name="levels",
        entities=[device],
        ttl=3 * HOUR,
        schema=[Field(name="device", dtype=String), Field(name="level", dtype=Float64)],
        source=FileSource(
            name="levels_table",
            path=path or "levels.parquet",
            timestamp_field="at",
            created_timestamp_column="created",
            **source,
        ),
    )
    store = FeatureStore(config=config)
    store.apply([device, view, FeatureService(name="levels_v1", features=[view])])
    return store


def ask(*rows: tuple[str | None, datetime]) -> pd.DataFrame:
    devices, instants = zip(*rows, strict=True)
    frame = pd.DataFrame({"device": devices, "event_timestamp": pd.to_datetime(list(instants), utc=True)})
    return frame.astype({"device": "object"})


def levels(job: Any) -> list[float | None]:
    table: pa.Table = job.to_arrow()
    found: list[float | None] = table["level"].to_pylist()
    return found
