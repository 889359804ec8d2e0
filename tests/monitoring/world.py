"""A world to monitor: a registered champion with its bundle, a prediction log, outcomes that come late."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from contracts.bundle.contract import CONTRACT_FILE, Contract, Window, file_digest
from contracts.evaluate import compute_metrics
from contracts.matrix import to_matrix
from contracts.profile import build_profile
from contracts.registry import BUNDLE_ARTIFACT, DIGEST_TAG, open_client
from inference.prediction_log.schema import arrow_schema, log_folder
from monitoring.ml.settings import MonitoringSettings
from tests.inference.bulk_log import append_batch
from tests.monitoring.orders import COLUMNS, PROBLEM, START, draw_orders
from training.bundle_writer import BundleParts, write_bundle
from training.estimators.base import Dataset
from training.estimators.base_rate import BaseRateEstimator

REFERENCE_DAYS = 21


def world_settings(var: Path, **changes: Any) -> MonitoringSettings:
    """Settings for the orders under `var`, nothing from the shell or a file; reports with few plots."""
    chosen: dict[str, Any] = {"monitor_port": 0, "report_features": 1, **changes}
    return MonitoringSettings(var=var, problem="tests.monitoring.orders:PROBLEM", **chosen)


def build_world(var: Path, **changes: Any) -> MonitoringSettings:
    """A world with a champion whose reference are the three weeks before `START`, and an empty log."""
    settings = world_settings(var, **changes)
    write_outcomes(settings, [])
    add_champion(settings)
    return settings


def reference_orders(seed: int = 1) -> pd.DataFrame:
    """What the champion was judged on."""
    return draw_orders(START - timedelta(days=REFERENCE_DAYS), 4_000, seed, days=REFERENCE_DAYS)


def add_champion(settings: MonitoringSettings, seed: int = 1) -> str:
    """Register a version whose bundle refers to `reference_orders` and make it champion; its number."""
    client = open_client(settings.registry, create=True)
    if not client.search_registered_models(f"name = '{PROBLEM.name}'"):
        client.create_registered_model(PROBLEM.name)
    location = f"1/reference-{seed}/{BUNDLE_ARTIFACT}"
    folder = settings.registry.artifact_root / location
    write_reference_bundle(folder, reference_orders(seed))
    version = client.create_model_version(
        PROBLEM.name, f"mlflow-artifacts:/{location}", tags={DIGEST_TAG: file_digest(folder / CONTRACT_FILE)}
    ).version
    client.set_registered_model_alias(PROBLEM.name, "champion", version)
    return str(version)


def write_reference_bundle(folder: Path, orders: pd.DataFrame) -> Contract:
    """Write a whole bundle whose profile, sample and metrics are those of `orders`."""
    matrix, label = to_matrix(orders, COLUMNS), orders[PROBLEM.label.name].to_numpy(float)
    rows = Dataset(matrix=matrix, label=label)
    model = BaseRateEstimator(task="binary").fit(rows, rows, COLUMNS, seed=0)
    prediction = orders["prediction"].to_numpy()
    numeric = {column.name: orders[column.name].to_numpy() for column in COLUMNS if column.kind == "numeric"}
    parts = BundleParts(
        graph=model.to_onnx().SerializeToString(),
        model=model,
        profile=build_profile(numeric, {"country": orders["country"].to_numpy(object)}, prediction),
        reference=orders[[*[column.name for column in COLUMNS], "prediction", PROBLEM.label.name]],
        card=lambda contract: f"# {contract.problem}\n",
    )
    folder.mkdir(parents=True)
    return write_bundle(folder, parts, _contract(orders, compute_metrics("binary", label, prediction)))


def log_predictions(
    settings: MonitoringSettings, orders: pd.DataFrame, version: str = "1", **changes: Any
) -> None:
    """Write the orders' predictions to the log, as bulk scoring does."""
    frame = orders.rename(
        columns={"order_id": "request_id", "placed_at": "prediction_time"}
        | {column.name: f"feature.{column.name}" for column in COLUMNS}
    )
    frame["key.ships_at"] = frame["prediction_time"] + PROBLEM.horizon
    append_batch(
        log_folder(settings), frame.assign(model_version=version, **changes), arrow_schema(COLUMNS, PROBLEM)
    )


def write_outcomes(settings: MonitoringSettings, weeks: Sequence[pd.DataFrame]) -> None:
    """Write the table of outcomes: when each became known stands in it."""
    settings.features.tables.mkdir(parents=True, exist_ok=True)
    orders = pd.concat([reference_orders(), *weeks], ignore_index=True)
    outcomes = pd.DataFrame(
        {
            "example_id": orders["order_id"],
            "returned_items": orders[PROBLEM.label.name].astype("int64"),
            "known_at": orders["known_at"],
        }
    )
    outcomes.to_parquet(settings.features.tables / "outcomes.parquet", index=False)


def live_through(settings: MonitoringSettings, weeks: Sequence[pd.DataFrame], version: str = "1") -> None:
    """Log the predictions of these weeks and let their outcomes come."""
    for week in weeks:
        log_predictions(settings, week, version)
    write_outcomes(settings, weeks)


def _contract(orders: pd.DataFrame, metrics: dict[str, float]) -> Contract:
    window = Window(start=START - timedelta(days=REFERENCE_DAYS), end=START, rows=len(orders))
    return Contract(
        problem=PROBLEM.name,
        problem_version=PROBLEM.version,
        task=PROBLEM.task,
        family="base_rate",
        feature_service=PROBLEM.feature_service,
        columns=COLUMNS,
        label=PROBLEM.label.name,
        as_of=START,
        windows={"gate": window},
        metrics=metrics,
        parity_error=0.0,
        parity_rows=0,
        data_fingerprint="none",
        code_version="none",
        files={},
    )
