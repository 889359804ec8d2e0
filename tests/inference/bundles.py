"""Small real bundles: an ONNX graph whose answers say which version gave them."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd

from contracts.bundle.contract import CONTRACT_FILE, Contract, Window, file_digest
from contracts.encoders.onnx_graphs import NUMERIC_INPUT, GraphBuilder
from contracts.matrix import FeatureMatrix, Floats
from contracts.profile import build_profile
from features.schema.feature_column import FeatureColumn
from training.bundle_writer import BundleParts, write_bundle
from training.estimators.base import Dataset

COLUMNS = (
    FeatureColumn(name="cars", kind="numeric"),
    FeatureColumn(name="trend", kind="numeric"),
    FeatureColumn(name="capacity", kind="numeric"),
    FeatureColumn(name="district", kind="categorical"),
    FeatureColumn(name="hour", kind="numeric"),
    FeatureColumn(name="free_share", kind="numeric"),
)
AS_OF = datetime(2024, 4, 30, tzinfo=UTC)


@dataclass(frozen=True)
class LevelModel:
    """Predicts `level` + first number / 1000, a missing number counting as 0; categories are not used."""

    level: float
    columns: tuple[FeatureColumn, ...] = COLUMNS
    family: str = "level"

    def predict(self, matrix: FeatureMatrix) -> Floats:
        return self.level + np.nan_to_num(matrix.numeric[:, 0]).astype(np.float64) / 1_000

    def calibrate(self, calibration: Dataset) -> "LevelModel":
        return self

    def to_onnx(self) -> onnx.ModelProto:
        numeric = sum(column.kind == "numeric" for column in self.columns)
        graph = GraphBuilder(categorical=len(self.columns) - numeric, numeric=numeric)
        first = graph.add("Gather", NUMERIC_INPUT, graph.constant(np.asarray(0, dtype=np.int64)), axis=1)
        known = graph.add("Where", graph.add("IsNaN", first), graph.number(0.0), first)
        return graph.build(
            graph.add("Add", graph.add("Mul", known, graph.number(0.001)), graph.number(self.level))
        )

    def save_native(self, folder: Path) -> None:
        (folder / "level.json").write_text(json.dumps(self.level))

    def params(self) -> dict[str, str | int | float]:
        return {"level": self.level}

    def feature_importance(self) -> dict[str, float]:
        return {}


@dataclass(frozen=True)
class LogModel(LevelModel):
    """Predicts `level` + the logarithm of 1 + first number / 1000: no number at all from -1000 downwards."""

    family: str = "log"

    def predict(self, matrix: FeatureMatrix) -> Floats:
        return self.level + np.log1p(np.nan_to_num(matrix.numeric[:, 0]).astype(np.float64) / 1_000)

    def to_onnx(self) -> onnx.ModelProto:
        numeric = sum(column.kind == "numeric" for column in self.columns)
        graph = GraphBuilder(categorical=len(self.columns) - numeric, numeric=numeric)
        first = graph.add("Gather", NUMERIC_INPUT, graph.constant(np.asarray(0, dtype=np.int64)), axis=1)
        known = graph.add("Where", graph.add("IsNaN", first), graph.number(0.0), first)
        share = graph.add("Mul", known, graph.number(0.001))
        logarithm = graph.add("Log", graph.add("Add", share, graph.number(1.0)))
        return graph.build(graph.add("Add", logarithm, graph.number(self.level)))


def write_level_bundle(folder: Path, model: LevelModel, reference_rows: int = 4, **changes: Any) -> str:
    """Write a bundle whose contract is changed as told; the contract's digest."""
    numbers = np.arange(4.0)
    parts = BundleParts(
        graph=model.to_onnx().SerializeToString(),
        model=model,
        profile=build_profile({"cars": numbers}, {"district": np.array(["hill"] * 4)}, numbers),
        reference=_reference(model.columns, numbers).head(reference_rows),
        card=lambda contract: f"# {contract.problem}\n\nAbout {model.level}.\n",
    )
    write_bundle(folder, parts, _contract(model).model_copy(update=changes))
    return file_digest(folder / CONTRACT_FILE)


def _reference(columns: tuple[FeatureColumn, ...], numbers: Floats) -> pd.DataFrame:
    values: dict[str, Any] = {
        column.name: numbers if column.kind == "numeric" else "hill" for column in columns
    }
    return pd.DataFrame({**values, "prediction": numbers, "fullness": numbers})


def _contract(model: LevelModel) -> Contract:
    window = Window(start=AS_OF - timedelta(days=9), end=AS_OF, rows=100)
    return Contract(
        problem="parking",
        problem_version=1,
        task="regression",
        family=model.family,
        feature_service="parking_v1",
        columns=model.columns,
        label="fullness",
        as_of=AS_OF,
        windows={"fit": window, "gate": window},
        metrics={"rmse": model.level},
        parity_error=0.0,
        parity_rows=0,
        data_fingerprint="none",
        code_version="none",
        files={},
    )
