"""A made-up problem to score in bulk: a bundle of trees over 25 numbers and 4 texts, and a file of rows."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.bundle.contract import Contract, Window
from contracts.bundle.reader import Bundle, read_bundle
from contracts.matrix import FeatureMatrix
from contracts.problem import GatePolicy, Label, Problem, RequestField, Windows
from contracts.profile import build_profile
from features.schema.feature_column import FeatureColumn
from training.bundle_writer import BundleParts, write_bundle
from training.estimators.base import Dataset
from training.estimators.xgboost_trees import BoostedTreesEstimator

NUMBERS, TEXTS, CODES, ROUNDS, SEED = 25, 4, 40, 300, 0
GROUP_ROWS = 65_536
ASKED = datetime(2024, 1, 1, tzinfo=UTC)
COLUMNS = (
    *(FeatureColumn(name=f"number_{place}", kind="numeric") for place in range(NUMBERS)),
    *(FeatureColumn(name=f"text_{place}", kind="categorical") for place in range(TEXTS)),
)

PROBLEM = Problem(
    name="bulk",
    title="Rows to be scored in bulk",
    task="binary",
    entity_keys=(RequestField(name="key", dtype="integer", example=1, description="The row"),),
    request_fields=(
        RequestField(
            name="starts_at", dtype="timestamp", example="2024-01-01T00:00:00Z", description="Its moment"
        ),
    ),
    event_time_field="starts_at",
    horizon=timedelta(0),
    label=Label(name="label", expression="label", due_within=timedelta(days=1)),
    feature_service="bulk_v1",
    candidates="none:NONE",
    primary_metric="log_loss",
    windows=Windows(early_stopping=timedelta(1), calibration=timedelta(1), gate=timedelta(1)),
    gate=GatePolicy(margin_over_base_rate=0.01, probability_over_champion=0.0, minimum_sample=1),
)


def draw_rows(rows: int, seed: int) -> Dataset:
    """Random numbers with gaps, random codes, and a label that depends on both."""
    random = np.random.default_rng(seed)
    numeric = random.normal(size=(rows, NUMBERS)).astype(np.float32)
    codes = random.integers(0, CODES, (rows, TEXTS))
    label = numeric[:, 0] + numeric[:, 1] ** 2 + (codes[:, 0] % 3) + random.normal(size=rows) > 2
    numeric[random.random(numeric.shape) < 0.05] = np.nan
    names = np.array([f"code {number:03d}" for number in range(CODES)], dtype=object)
    return Dataset(FeatureMatrix(names[codes], numeric), label.astype(np.float64))


def write_rows(path: Path, rows: int) -> Path:
    """A Parquet file as feature stores write them: ids, a key, instants, float64 numbers, texts."""
    data = draw_rows(rows, SEED + 1).matrix
    ids = pa.array(np.arange(rows))
    moments = pa.repeat(pa.scalar(ASKED, pa.timestamp("us", tz="UTC")), rows)
    columns = {
        "example_id": ids.cast(pa.string()),
        "key": ids,
        "starts_at": moments,
        "event_timestamp": moments,
    }
    for place in range(NUMBERS):
        numbers = data.numeric[:, place].astype(np.float64)
        columns[f"number_{place}"] = pa.array(numbers, from_pandas=True)
    for place in range(TEXTS):
        columns[f"text_{place}"] = pa.array(data.categorical[:, place], pa.string())
    pq.write_table(pa.table(columns), path, row_group_size=GROUP_ROWS)
    return path


def write_model(folder: Path, rows: int) -> Bundle:
    """Fit `ROUNDS` trees on `rows` rows and write their bundle."""
    data = draw_rows(rows, SEED)
    model = BoostedTreesEstimator("binary", rounds=ROUNDS).fit(data, data.newest(0), COLUMNS, SEED)
    parts = BundleParts(
        graph=model.to_onnx().SerializeToString(),
        model=model,
        profile=build_profile({}, {}, data.label),
        reference=pd.DataFrame({"label": data.label[:10]}),
        card=lambda contract: f"# {contract.problem}\n",
    )
    write_bundle(folder, parts, _contract(rows))
    return read_bundle(folder)


def _contract(rows: int) -> Contract:
    return Contract(
        problem=PROBLEM.name,
        problem_version=PROBLEM.version,
        task=PROBLEM.task,
        family="xgboost",
        feature_service=PROBLEM.feature_service,
        columns=COLUMNS,
        label=PROBLEM.label.name,
        as_of=ASKED,
        windows={"fit": Window(start=ASKED, end=ASKED, rows=rows)},
        metrics={},
        parity_error=0.0,
        parity_rows=0,
        data_fingerprint="none",
        code_version="none",
        files={},
    )
