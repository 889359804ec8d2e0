"""The examples that a ranking needs, with their features: whole windows, and a sample of what came before."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from contracts.problem import Problem
from features.contract import read_examples, read_labels
from features.schema.service_columns import feature_columns
from features.settings import FeatureSettings
from training.dataset import TrainingSet, assemble, join_labels, validate_training_set
from training.errors import EmptyWindowError
from training.settings import TrainingSettings
from training.splits import window_ranges

DRAWN = "__drawn"


@dataclass(frozen=True)
class RankingData:
    """Labelled examples in order of time; `drawn` (N,) marks those that a model may be fitted on."""

    training_set: TrainingSet
    drawn: npt.NDArray[np.bool_]


def read_ranking_data(
    settings: TrainingSettings, problem: Problem, as_of: datetime, oldest_end: datetime, rows: int
) -> RankingData:
    """Read what was known at `as_of`, with features, in one retrieval.

    From the first window on, every example; before that, and to fit on, a seeded sample: about `rows` of
    those that precede the window that ends at `oldest_end`.

    Raises:
        EmptyWindowError: no label is known yet.
        DatasetError: the data breaks its schema.
    """
    ranges = window_ranges(problem.windows, oldest_end)
    examples = read_examples(settings.features.tables, ranges.fit.start, as_of)
    labels = read_labels(settings.features.tables, problem.label, as_of)
    labelled = join_labels(examples, labels, problem.label.name)
    if labelled.empty:
        raise EmptyWindowError(f"no label is known by {as_of.isoformat()}; rank at a later --as-of")
    whole = (labelled["event_timestamp"] >= pd.Timestamp(ranges.early_stopping.start)).to_numpy()
    drawn = _draw(len(labelled), rows, int(np.sum(~whole)), settings.seed)
    kept = whole | drawn
    sample = labelled[kept].reset_index(drop=True)
    return RankingData(_with_features(settings.features, problem, sample, as_of), drawn[kept])


def _draw(total: int, rows: int, before: int, seed: int) -> npt.NDArray[np.bool_]:
    """Draw each of `total` examples with the chance that leaves `rows` of the `before` oldest ones."""
    chance = min(1.0, rows / max(before, 1))
    return np.random.default_rng(seed).random(total) < chance


def _with_features(
    settings: FeatureSettings, problem: Problem, sample: pd.DataFrame, as_of: datetime
) -> TrainingSet:
    from features.offline.historical import historical_features  # imports Feast, which takes seconds
    from features.repository.feature_store import open_store

    store = open_store(settings)
    frame = historical_features(store, problem.feature_service, sample)
    columns = feature_columns(store, problem.feature_service)
    return validate_training_set(assemble(problem, frame, columns, as_of), problem)
