"""What serving is measured on: the problem's own features, one registered model, rows to ask about."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from contracts.bundle.reader import Bundle, read_bundle
from contracts.matrix import names_of, to_matrix
from contracts.problem import Problem, load_problem
from contracts.registry import current, fetch_bundle
from experiments.benchmarks.point_in_time.world import prepare_year
from features.contract import EXAMPLES, read_examples
from features.offline.historical import historical_features
from features.repository.feature_store import open_store
from features.settings import FeatureSettings
from features.timestamps import BEGINNING
from training.outcome import TrainingRequest
from training.pipeline import train
from training.settings import TrainingSettings

CANDIDATES = "experiments.benchmarks.http_serving.candidates:CANDIDATES"
ROWS = 256
# Examples of so long before the moment are asked about, at an hour (UTC) when there are many.
RECENT = timedelta(hours=6)
HOUR_ASKED = timedelta(hours=18)


@dataclass(frozen=True)
class ServingWorld:
    """A served model and rows for it: the request fields (JSON values) and the features by name."""

    settings: TrainingSettings
    problem: Problem
    bundle: Bundle
    as_of: datetime
    fields: list[dict[str, Any]]
    features: list[dict[str, Any]]

    @property
    def arrays(self) -> list[tuple[list[str], list[float]]]:
        """Each row as the graph reads it: categories, numbers."""
        categories, numbers = (names_of(self.bundle.contract.columns, kind) for kind in KINDS)
        return [
            ([row[name] for name in categories], [row[name] for name in numbers]) for row in self.features
        ]


KINDS = ("categorical", "numeric")


def prepare_world(settings: TrainingSettings) -> ServingWorld:
    """Build features, train and promote, fill the online store, all under `settings.var` unless there.

    The moment is in the middle of the data. Rows without a missing feature come first, so that every
    contestant's wire format can carry them; what is still missing is 0 or an empty string.
    """
    problem = load_problem(settings.problem)
    features, registry = settings.features, settings.registry
    prepare_year(features)
    as_of = middle_of(features)
    if not registry.tracking_db or not registry.tracking_db.is_file():
        measured = problem.model_copy(update={"candidates": CANDIDATES})
        train(settings, measured, TrainingRequest(as_of=as_of, reason="to measure serving"))
        open_store(features).materialize(BEGINNING, as_of)
    ref = current(registry, problem.name)
    assert ref is not None, "the first model beats the base rate"
    bundle = read_bundle(fetch_bundle(registry, ref))
    rows = draw_rows(features, problem, bundle, as_of)
    fields = json.loads(
        rows[[field.name for field in problem.fields]].to_json(orient="records", date_format="iso")
    )
    return ServingWorld(settings, problem, bundle, as_of, fields, whole_features(bundle, rows))


def middle_of(settings: FeatureSettings) -> datetime:
    """An evening hour of the day in the middle of the examples."""
    instants = pd.read_parquet(settings.tables / EXAMPLES, columns=["event_timestamp"])["event_timestamp"]
    middle = pd.Timestamp(instants.sort_values().iloc[len(instants) // 2]).normalize()
    return (middle + HOUR_ASKED).to_pydatetime()


def draw_rows(settings: FeatureSettings, problem: Problem, bundle: Bundle, as_of: datetime) -> pd.DataFrame:
    """The recent examples with the fewest missing features, with their features."""
    examples = read_examples(settings.tables, as_of - RECENT, as_of)
    frame = historical_features(open_store(settings), problem.feature_service, examples)
    missing = frame[[column.name for column in bundle.contract.columns]].isna().sum(axis="columns")
    return frame.loc[missing.sort_values(kind="stable").index[:ROWS]].reset_index(drop=True)


def whole_features(bundle: Bundle, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The features as JSON values, float32 as the graph reads them, nothing missing."""
    matrix = to_matrix(rows, bundle.contract.columns)
    categories, numbers = (names_of(bundle.contract.columns, kind) for kind in KINDS)
    numeric = np.nan_to_num(matrix.numeric).tolist()
    return [
        dict(zip(categories, texts, strict=True)) | dict(zip(numbers, values, strict=True))
        for texts, values in zip(matrix.categorical.tolist(), numeric, strict=True)
    ]


def score_rows(world: ServingWorld) -> list[float]:
    """What the graph itself answers for the rows."""
    categorical = np.array([texts for texts, _ in world.arrays], dtype=object).reshape(
        len(world.features), -1
    )
    numeric = np.array([numbers for _, numbers in world.arrays], dtype=np.float32)
    predictions: list[float] = world.bundle.scorer().score(categorical, numeric).tolist()
    return predictions


def bundle_graph(world: ServingWorld) -> Path:
    """The graph that every contestant scores with."""
    return world.bundle.folder / "model.onnx"
