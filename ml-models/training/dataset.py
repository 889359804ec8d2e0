"""The training set as of a moment: examples whose label had arrived, with their point-in-time features."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pandera.pandas as pa

from contracts.matrix import to_matrix
from contracts.metrics import Floats
from contracts.problem import Problem
from features.contract import read_examples, read_labels
from features.schema.feature_column import FeatureColumn
from features.schema.service_columns import feature_columns
from features.settings import FeatureSettings
from training.errors import DatasetError, EmptyWindowError, SingleClassError
from training.splits import window_ranges

LARGEST_NULL_SHARE = 0.999
LARGEST_MAGNITUDE = 1e12
SHOWN_FAILURES = 5


@dataclass(frozen=True)
class TrainingSet:
    """Labelled examples, ascending by prediction instant.

    `frame` has `example_id`, keys and request fields, `event_timestamp`, `known_at` (<= `as_of`), the feature
    `columns` and the label as float64. `fingerprint` identifies the content that is learned from.
    """

    frame: pd.DataFrame
    columns: tuple[FeatureColumn, ...]
    label_name: str
    as_of: datetime
    fingerprint: str

    @property
    def label(self) -> Floats:
        """The labels (N,)."""
        return self.frame[self.label_name].to_numpy(dtype=np.float64)

    @property
    def instants(self) -> pd.Series:
        """The prediction instants (N,), UTC."""
        return self.frame["event_timestamp"]


def build_training_set(
    settings: FeatureSettings, problem: Problem, as_of: datetime, start: datetime | None = None
) -> TrainingSet:
    """Read examples, labels known by `as_of` and historical features, from `start` on.

    Without `start` it begins where the problem's fit window does. `as_of` must carry a zone.

    Raises:
        DatasetError: `as_of` is naive, or a slice's column is not there.
        EmptyWindowError: no label of the period had arrived by `as_of`.
        TableMissingError: the feature tables have not been built.
    """
    moment = _require_zone(as_of)
    since = window_ranges(problem.windows, moment).fit.start if start is None else _require_zone(start)
    examples = read_examples(settings.tables, since, moment)
    labels = read_labels(settings.tables, problem.label, moment)
    labelled = join_labels(examples, labels, problem.label.name)
    if labelled.empty:
        raise EmptyWindowError(
            f"no label of {since.isoformat()} to {moment.isoformat()} is known yet; choose a later as_of"
        )
    frame, columns = _with_features(settings, problem, labelled)
    return assemble(problem, frame, columns, moment)


def join_labels(examples: pd.DataFrame, labels: pd.DataFrame, label: str) -> pd.DataFrame:
    """Keep the examples that have a label, in their order; the label becomes float64."""
    joined = examples.merge(labels, on="example_id", how="inner", validate="one_to_one")
    return joined.assign(**{label: joined[label].astype(np.float64)})


def assemble(
    problem: Problem, frame: pd.DataFrame, columns: tuple[FeatureColumn, ...], as_of: datetime
) -> TrainingSet:
    """Make the training set of a frame that holds everything, with its fingerprint.

    Raises:
        DatasetError: a slice's column is not there.
    """
    absent = [name for name in problem.slices if name not in frame.columns]
    if absent:
        raise DatasetError(f"slices {absent} are no columns; choose among {sorted(frame.columns)}")
    label = problem.label.name
    return TrainingSet(frame, columns, label, as_of, fingerprint(frame, columns, label))


def validate_training_set(training_set: TrainingSet, problem: Problem) -> TrainingSet:
    """Check types, ranges, missing shares, time order and labels with Pandera; return the set unchanged.

    Raises:
        DatasetError: a column breaks its schema; the message names the columns and the checks.
        SingleClassError: a binary problem's labels are all the same.
    """
    try:
        training_schema(training_set, problem).validate(training_set.frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        failures = error.failure_cases[["column", "check"]].drop_duplicates().head(SHOWN_FAILURES)
        raise DatasetError(
            f"the training set breaks its schema: {failures.to_dict('records')}; rebuild the feature tables"
        ) from error
    if problem.task == "binary":
        require_both_classes(training_set.label, "training set")
    return training_set


def training_schema(training_set: TrainingSet, problem: Problem) -> pa.DataFrameSchema:
    """The schema that follows from the feature columns and the problem's task."""
    label = pa.Check.isin([0.0, 1.0]) if problem.task == "binary" else _finite()
    in_time = pa.Check(lambda known: known <= training_set.as_of, name="known_by_as_of")
    return pa.DataFrameSchema(
        {
            "example_id": pa.Column(unique=True),
            "event_timestamp": pa.Column(
                checks=pa.Check(lambda s: s.is_monotonic_increasing, name="ascending")
            ),
            "known_at": pa.Column(checks=in_time),
            problem.label.name: pa.Column("float64", checks=label),
            **{column.name: _feature_schema(column) for column in training_set.columns},
        }
    )


def require_both_classes(label: Floats, where: str) -> None:
    """Check that binary labels hold both classes.

    Raises:
        SingleClassError: they do not.
    """
    if len(np.unique(label)) < 2:
        raise SingleClassError(
            f"every label in the {where} is {label[0]:g}; widen the windows or check the label's expression"
        )


def fingerprint(frame: pd.DataFrame, columns: tuple[FeatureColumn, ...], label: str) -> str:
    """Return a SHA-256 of ids, instants, features as the model reads them, and labels; of their order too."""
    matrix = to_matrix(frame, columns)
    digest = hashlib.sha256(repr([(column.name, column.kind) for column in columns]).encode())
    texts = pd.DataFrame(matrix.categorical).assign(example_id=frame["example_id"].to_numpy())
    digest.update(pd.util.hash_pandas_object(texts, index=False).to_numpy().tobytes())
    digest.update(matrix.numeric.tobytes())
    digest.update(frame["event_timestamp"].dt.as_unit("us").astype("int64").to_numpy().tobytes())
    digest.update(frame[label].to_numpy(dtype=np.float64).tobytes())
    return digest.hexdigest()


def _with_features(
    settings: FeatureSettings, problem: Problem, labelled: pd.DataFrame
) -> tuple[pd.DataFrame, tuple[FeatureColumn, ...]]:
    from features.offline.historical import historical_features  # imports Feast, which takes seconds
    from features.repository.feature_store import open_store

    store = open_store(settings)
    columns = feature_columns(store, problem.feature_service)
    return historical_features(store, problem.feature_service, labelled), columns


def _feature_schema(column: FeatureColumn) -> pa.Column:
    present = pa.Check(
        lambda s: s.isna().mean() <= LARGEST_NULL_SHARE, name="mostly_present", ignore_na=False
    )
    if column.kind == "categorical":
        return pa.Column(checks=[present, _text()], nullable=True)
    return pa.Column("float64", checks=[present, _finite()], nullable=True)


def _finite() -> pa.Check:
    return pa.Check(lambda s: s.abs() <= LARGEST_MAGNITUDE, name="finite")


def _text() -> pa.Check:
    return pa.Check(lambda s: pd.api.types.infer_dtype(s, skipna=True) in ("string", "empty"), name="text")


def _require_zone(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise DatasetError(f"{moment.isoformat()} has no zone; write it as {moment.isoformat()}Z")
    return moment.astimezone(UTC)
