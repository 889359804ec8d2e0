"""Bulk scoring with the bundle that serves: a frame in, predictions out, logged as `batch` on demand."""

from pathlib import Path

import pandas as pd

from features.settings import FeatureSettings
from inference.errors import BatchInputError, NoModelError
from inference.prediction_log.schema import arrow_schema, log_folder
from inference.prediction_log.writer import append_batch
from inference.settings import InferenceSettings
from training.bundle.reader import Bundle, read_bundle
from training.matrix import Floats, to_matrix
from training.problem import Problem, load_problem
from training.registry import current, fetch_bundle

BATCH_THREADS = 2
EXAMPLE_ID = "example_id"
EVENT_TIMESTAMP = "event_timestamp"


def score_frame(bundle: Bundle, frame: pd.DataFrame) -> Floats:
    """Predictions, float64 (N,), for rows that hold the bundle's feature columns.

    Raises:
        MatrixError: the frame lacks a column.
    """
    return bundle.scorer(threads=BATCH_THREADS).score_matrix(to_matrix(frame, bundle.contract.columns))


def log_scored(
    settings: FeatureSettings,
    problem: Problem,
    bundle: Bundle,
    examples: pd.DataFrame,
    predictions: Floats,
    version: str,
) -> list[Path]:
    """Append bulk predictions to the prediction log under `example_id`; the files written.

    `examples`: `example_id`, every request field, `event_timestamp` (UTC, the prediction instant), and the
    bundle's features. A feature without a value is logged as missing; ages are not known here.
    """
    schema = arrow_schema(bundle.contract.columns, problem)
    fixed = pd.DataFrame(
        {
            "request_id": examples[EXAMPLE_ID].astype(str),
            "prediction_time": examples[EVENT_TIMESTAMP],
            "model_version": version,
            "prediction": predictions,
        }
    )
    frame = pd.concat([fixed, _keys(problem, examples), _features(bundle, examples)], axis="columns")
    return append_batch(log_folder(settings), frame, schema)


def score_file(settings: InferenceSettings, source: Path, target: Path, log: bool = False) -> int:
    """Score a Parquet file with the served alias's version and write it with `prediction`, `model_version`.

    The file holds the feature columns, or examples (entity keys, request fields, `event_timestamp`), whose
    features are then read historically. Returns the number of rows.

    Raises:
        BatchInputError: the file is not there, or holds neither.
        NoModelError: the alias names no version.
    """
    problem = load_problem(settings.problem)
    ref = current(settings, problem.name, settings.alias)
    if ref is None:
        raise NoModelError(f"model {problem.name!r} has no {settings.alias}; train one first")
    bundle = read_bundle(fetch_bundle(settings, ref))
    frame = _with_features(settings, bundle, _read(source))
    predictions = score_frame(bundle, frame)
    if log:
        log_scored(settings, problem, bundle, frame, predictions, ref.version)
    target.parent.mkdir(parents=True, exist_ok=True)
    frame.assign(prediction=predictions, model_version=ref.version).to_parquet(target, index=False)
    return len(frame)


def _read(source: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(source)
    except (OSError, ValueError) as error:
        raise BatchInputError(
            f"{source} cannot be read as Parquet ({error}); give another --input"
        ) from error


def _with_features(settings: InferenceSettings, bundle: Bundle, frame: pd.DataFrame) -> pd.DataFrame:
    contract = bundle.contract
    if {column.name for column in contract.columns} <= set(frame.columns):
        return frame
    if EVENT_TIMESTAMP not in frame:
        lacking = sorted({column.name for column in contract.columns} - set(frame.columns))
        raise BatchInputError(f"the input lacks {lacking} and has no {EVENT_TIMESTAMP!r} to read them at")
    from features.historical import historical_features  # imports Feast, which takes seconds
    from features.store import open_store

    return historical_features(open_store(settings), contract.feature_service, frame)


def _keys(problem: Problem, examples: pd.DataFrame) -> pd.DataFrame:
    return examples[[field.name for field in problem.fields]].add_prefix("key.")


def _features(bundle: Bundle, examples: pd.DataFrame) -> pd.DataFrame:
    names = [column.name for column in bundle.contract.columns]
    features = examples[names]
    status = features.isna().replace({True: "missing", False: "present"})
    return pd.concat([features.add_prefix("feature."), status.add_prefix("status.")], axis="columns")
