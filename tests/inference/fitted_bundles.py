"""Real bundles of every model family, fitted on seeded rows."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from contracts.bundle.contract import Contract, Window, file_digest
from contracts.bundle.reader import Bundle, read_bundle
from contracts.matrix import FeatureMatrix, names_of
from contracts.problem import Problem, Task
from contracts.profile import build_profile
from tests.inference.parking import PROBLEM as PARKING
from tests.training.tabular_rows import COLUMNS, make_rows
from training.bundle_writer import BundleParts, write_bundle
from training.estimators.base import Estimator, FittedModel

AS_OF = datetime(2024, 4, 30, tzinfo=UTC)
LABEL = "label"


def fitted_problem(task: Task) -> Problem:
    """A problem with the seeded rows' features."""
    return PARKING.model_copy(update={"task": task, "reasons": {"weight": "Weight in grams"}})


def fit_model(estimator: Estimator, task: Task, rows: int = 3_000) -> FittedModel:
    """Fitted on the first rows, calibrated on the last."""
    data = make_rows(task, rows)
    model = estimator.fit(data, data.newest(rows // 4), COLUMNS, seed=0)
    return model.calibrate(data.newest(rows // 4))


def write_fitted_bundle(folder: Path, estimator: Estimator, task: Task, reference_rows: int = 400) -> Bundle:
    """Fit a family and write its bundle with a reference sample."""
    model = fit_model(estimator, task)
    sample = make_rows(task, reference_rows, seed=3)
    prediction = model.predict(sample.matrix)
    frame = to_frame(sample.matrix).assign(prediction=prediction, **{LABEL: sample.label})
    parts = BundleParts(
        graph=model.to_onnx().SerializeToString(),
        model=model,
        profile=build_profile({}, {}, prediction),
        reference=frame,
        card=lambda contract: f"# {contract.problem}\n",
    )
    write_bundle(folder, parts, _contract(model.family, task))
    return read_bundle(folder)


def with_file(bundle: Bundle, folder: Path, name: str, content: bytes) -> Bundle:
    """A copy of a bundle in a new folder, one file replaced, as if it had been written so."""
    shutil.copytree(bundle.folder, folder)
    (folder / name).write_bytes(content)
    files = {**bundle.contract.files, name: file_digest(folder / name)}
    return Bundle(folder, bundle.contract.model_copy(update={"files": files}))


def to_frame(matrix: FeatureMatrix) -> pd.DataFrame:
    """The matrix as the frame that it would be read from: missing text as None."""
    texts = pd.DataFrame(matrix.categorical, columns=list(names_of(COLUMNS, "categorical"))).replace(
        {"": None}
    )
    numbers = pd.DataFrame(matrix.numeric.astype("float64"), columns=list(names_of(COLUMNS, "numeric")))
    return pd.concat([texts, numbers], axis="columns")


def _contract(family: str, task: Task) -> Contract:
    return Contract(
        problem=PARKING.name,
        problem_version=1,
        task=task,
        family=family,
        feature_service=PARKING.feature_service,
        columns=COLUMNS,
        label=LABEL,
        as_of=AS_OF,
        windows={"gate": Window(start=AS_OF, end=AS_OF, rows=1)},
        metrics={},
        parity_error=0.0,
        parity_rows=0,
        data_fingerprint="none",
        code_version="none",
        files={},
    )
