"""A whole small world to serve in: feature tables, Feast repository, online rows, registry, bundles."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd

from contracts.registry import BUNDLE_ARTIFACT, DIGEST_TAG, open_client, version_ref
from contracts.settings import RegistrySettings
from features.apply import apply_repository
from features.repository.feature_store import open_store
from features.settings import FeatureSettings
from inference.sandbox.sandbox import kept_outcome
from inference.settings import InferenceSettings
from tests.inference.bundles import COLUMNS, LevelModel, write_level_bundle
from tests.inference.parking import PROBLEM

REPOSITORY = Path(__file__).with_name("repository")
START = datetime(2024, 5, 1, tzinfo=UTC)
NOON = START + timedelta(hours=12)
SITES = ("north", "south", "east")
STALE_SITE, PARTIAL_SITE = "south", "east"


def world_settings(var: Path, **changes: Any) -> InferenceSettings:
    """Settings for the car parks under `var`; a free port, replay on, quick polling unless changed.

    A change may be of the features' settings or the registry's too.
    """
    world: dict[str, Any] = {"var": var, "problem": "tests.inference.parking:PROBLEM"}
    own: dict[str, Any] = {
        "serve_port": 0,
        "replay": True,
        "poll_seconds": 0.2,
        "seal_seconds": 0.5,
        **changes,
    }
    own.setdefault("feature_repo", REPOSITORY)
    features, registry = (
        {name: own.pop(name) for name in settings.model_fields if name in own}
        for settings in (FeatureSettings, RegistrySettings)
    )
    return InferenceSettings(
        **world,
        features=FeatureSettings(**world, **features),
        registry=RegistrySettings(**world, **registry),
        **own,
    )


def build_world(var: Path, **changes: Any) -> InferenceSettings:
    """Tables, an applied repository and online rows as known at `NOON`."""
    settings = world_settings(var, **changes)
    settings.features.tables.mkdir(parents=True)
    tables = {"load": load_rows(), "facts": fact_rows()}
    for name, rows in tables.items():
        rows.to_parquet(settings.features.tables / f"{name}.parquet", index=False)
    example_rows().to_parquet(settings.features.tables / "examples.parquet", index=False)
    fill_online_store(settings)
    open_client(settings.registry, create=True).create_registered_model(PROBLEM.name)
    return settings


def fill_online_store(settings: InferenceSettings) -> None:
    """Apply the repository and write each site's newest rows."""
    apply_repository(settings.features)
    store = open_store(settings.features)
    for name, rows in {"load": load_rows(), "facts": fact_rows()}.items():
        newest = rows.sort_values("event_timestamp").drop_duplicates("site", keep="last")
        store.write_to_online_store(name, newest)


def load_rows() -> pd.DataFrame:
    """Counts per site: those of the stale site ended long before noon, one site's trend is null."""
    rows = [
        {
            "site": site,
            "cars": 10.0 * hour + len(site),
            "trend": None if site == PARTIAL_SITE else hour / 3,
            "event_timestamp": START + timedelta(hours=hour),
        }
        for site in SITES
        for hour in range(13)
        if site != STALE_SITE or hour < 9
    ]
    return pd.DataFrame(rows).astype({"event_timestamp": "datetime64[us, UTC]"})


def fact_rows() -> pd.DataFrame:
    """One fact row per site."""
    rows = {"site": SITES, "capacity": [200, 300, 400], "district": ["hill", "port", "port"]}
    return pd.DataFrame(rows).assign(event_timestamp=pd.Series([START] * 3).astype("datetime64[us, UTC]"))


def example_rows() -> pd.DataFrame:
    """An example per site, and one of a site that nothing is known about, asked at noon."""
    sites = [*SITES, "nowhere"]
    fees: list[Any] = [2.5, 1.0, None, 3.0]
    stamps = {"opens_at": NOON + timedelta(hours=1), "event_timestamp": NOON}
    frame = pd.DataFrame({"example_id": [f"example-{site}" for site in sites], "site": sites})
    frame = frame.assign(spaces=np.arange(4) * 20 + 40, fee=fees, **stamps)
    return frame.astype(dict.fromkeys(stamps, "datetime64[us, UTC]"))


def instance(site: Any = "north", **changes: Any) -> dict[str, Any]:
    """A valid instance, asked as of noon."""
    chosen = {
        "site": site,
        "opens_at": "2024-05-01T13:00:00Z",
        "spaces": 40,
        "fee": 2.5,
        "prediction_time": NOON.isoformat(),
    }
    return {name: value for name, value in (chosen | changes).items() if value is not ...}


def add_version(settings: InferenceSettings, level: float, columns: Any = COLUMNS, **contract: Any) -> str:
    """Register a version that predicts `level` + cars / 1000; its number."""
    return add_model(settings, LevelModel(level, columns), **contract)


def add_model(settings: InferenceSettings, model: LevelModel, **changes: Any) -> str:
    """Register a version whose bundle is changed as told; its number. Services find it tried out already."""
    client = open_client(settings.registry, create=True)
    location = f"1/level-{model.level}-{uuid4().hex[:6]}/{BUNDLE_ARTIFACT}"
    digest = write_level_bundle(settings.registry.artifact_root / location, model, **changes)
    kept_outcome(settings, digest).keep()
    source = f"mlflow-artifacts:/{location}"
    return str(client.create_model_version(PROBLEM.name, source, tags={DIGEST_TAG: digest}).version)


def copy_served(built: Path, var: Path, **changes: Any) -> InferenceSettings:
    """A built world at another place, with a champion."""
    shutil.copytree(built, var)
    settings = world_settings(var, **changes)
    set_champion(settings, add_version(settings, 1.0))
    return settings


def set_champion(settings: InferenceSettings, version: str) -> None:
    """Point the alias at a version."""
    open_client(settings.registry).set_registered_model_alias(PROBLEM.name, "champion", version)


def bundle_folder(settings: InferenceSettings, version: str) -> Path:
    """Where a version's bundle lies."""
    return settings.registry.artifact_root / version_ref(settings.registry, PROBLEM.name, version).bundle
