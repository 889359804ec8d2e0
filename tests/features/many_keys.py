"""A world whose materialisation takes many batches, and a process that runs the command and may be killed."""

import os
import shutil
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import numpy as np
import pandas as pd

from features.apply import apply_repository
from features.settings import FeatureSettings
from tests.features.small_world import REPOSITORY, START
from tests.forked import fork_off

KEYS = 1_500
ROWS_PER_BATCH = 250
END = START + timedelta(hours=2)


def build_many_keys(folder: Path, address: str) -> FeatureSettings:
    """Tables with thousands of keys, two rows each, and the small repository with small batches over them."""
    repository = shutil.copytree(REPOSITORY, folder / "repository")
    with (repository / "feature_store.yaml").open("a") as config:
        config.write(f"\nmaterialization:\n  online_write_batch_size: {ROWS_PER_BATCH}\n")
    settings = FeatureSettings(var=folder / "var", feature_repo=repository, online_store=address)
    settings.tables.mkdir(parents=True)
    for name, table in make_tables(np.random.default_rng(3)).items():
        table.to_parquet(settings.tables / f"{name}.parquet", coerce_timestamps="us")
    apply_repository(settings)
    return settings


def make_tables(random: np.random.Generator) -> Mapping[str, pd.DataFrame]:
    devices, sites = [f"d{number}" for number in range(KEYS)], range(KEYS)
    at = pd.Series([START] * KEYS + [START + timedelta(hours=1)] * KEYS).dt.as_unit("us")
    device, site, rows = np.tile(devices, 2), np.tile(sites, 2), len(at)
    modes, load = random.choice(["low", "high"], rows), random.normal(size=rows)
    readings = {"device": device, "observed_at": at, "created_at": at, "raw_level": load}
    return {
        "readings": pd.DataFrame({**readings, "mode": modes, "count": random.integers(0, 9, rows)}),
        "site_load": pd.DataFrame(
            {"site": site, "event_timestamp": at, "load": load, "open": load > 0}
        ).astype({"load": "float32"}),
        "pairing": pd.DataFrame({"site": site, "device": device, "event_timestamp": at, "score": load * 2.0}),
        "season": pd.DataFrame({"event_timestamp": at[:1], "season_index": [0.25]}),
    }


def start_materialising(settings: FeatureSettings, as_of: datetime) -> ForkServerProcess:
    """`python -m features materialize` in a process forked off one that has its imports done."""
    return fork_off(run_command, settings, as_of)


def run_command(settings: FeatureSettings, as_of: datetime) -> None:
    from features.__main__ import main

    os.environ["ROUNDTRIP_VAR"] = str(settings.var)
    os.environ["ROUNDTRIP_FEATURE_REPO"] = str(settings.feature_repo)
    os.environ["ROUNDTRIP_ONLINE_STORE"] = settings.online_address.get_secret_value()
    sys.argv = ["features", "materialize", "--as-of", as_of.isoformat()]
    main()
