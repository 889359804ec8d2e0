"""How each feature's distribution moved from week to week, against the weeks before."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd

from contracts.problem import Problem
from features.contract import read_examples
from features.offline.historical import historical_features
from features.repository.feature_store import open_store
from features.schema.feature_column import FeatureColumn
from features.schema.service_columns import feature_columns
from features.settings import FeatureSettings
from monitoring.ml.drift.population_stability import comparable_columns, rank_by_drift
from monitoring.ml.errors import FeatureDriftError
from monitoring.ml.windows.sampling import SEED, as_typed

WEEK = timedelta(weeks=1)
REFERENCE_WEEKS = 4
WEEKLY_ROWS = 1_000


@dataclass(frozen=True)
class WeeklyDrift:
    """The population stability index of every feature in every week.

    `history` has a row per week and feature: `week` (its start, UTC), `feature`, `psi`, `missing` (a share),
    `rows`, `reference_rows`. A feature without a value in the week or before it has no row.
    """

    service: str
    threshold: float
    reference_weeks: int
    history: pd.DataFrame

    @property
    def matrix(self) -> pd.DataFrame:
        """The index as feature x week, the feature that moved most in any week first."""
        wide = self.history.pivot(index="feature", columns="week", values="psi")
        worst_first = wide.max(axis=1).sort_values(ascending=False, kind="stable").index
        return wide.loc[worst_first]


def measure_weekly_drift(
    settings: FeatureSettings,
    problem: Problem,
    start: datetime,
    end: datetime,
    reference_weeks: int = REFERENCE_WEEKS,
    weekly_rows: int = WEEKLY_ROWS,
) -> WeeklyDrift:
    """Compare each whole week between `start` and `end` (UTC) with the `reference_weeks` before it.

    The index is the one that the monitor decides by. At most `weekly_rows` examples a week are looked at, the
    same ones each time; their features are those known at each example's own instant, in one retrieval.

    Raises:
        FeatureDriftError: the period holds no week with examples, or none that another one precedes.
        FeatureError: the feature tables or the registry cannot be read.
    """
    weeks = _week_starts(start, end)
    since = weeks[0] - reference_weeks * WEEK if weeks else start
    examples = read_examples(settings.tables, since, end)
    sampled = _sample_weeks(examples, since, weekly_rows)
    if sampled.empty:
        raise FeatureDriftError(f"no example between {since} and {end}; choose --start and --end in the data")
    store = open_store(settings)
    columns = feature_columns(store, problem.feature_service)
    frame = historical_features(store, problem.feature_service, sampled)
    measured = list(_compare(frame, as_typed(frame, columns), columns, weeks, reference_weeks))
    if not measured:
        raise FeatureDriftError(
            f"no week from {start} to {end} has examples both in it and in the {reference_weeks} before; "
            "choose a later --start or a longer period"
        )
    history = pd.concat(measured, ignore_index=True)
    return WeeklyDrift(problem.feature_service, problem.drift.feature_psi, reference_weeks, history)


def _week_starts(start: datetime, end: datetime) -> list[datetime]:
    first = start.astimezone(UTC)
    return [first + number * WEEK for number in range((end - start) // WEEK)]


def _sample_weeks(examples: pd.DataFrame, since: datetime, rows: int) -> pd.DataFrame:
    """Keep at most `rows` examples of each week counted from `since`, in their order."""
    week = (examples["event_timestamp"] - pd.Timestamp(since)) // pd.Timedelta(WEEK)
    shuffled = examples.sample(frac=1.0, random_state=SEED)
    kept = shuffled.groupby(week.loc[shuffled.index]).head(rows)
    return kept.sort_index().reset_index(drop=True)


def _compare(
    frame: pd.DataFrame,
    features: pd.DataFrame,
    columns: Sequence[FeatureColumn],
    weeks: Sequence[datetime],
    reference_weeks: int,
) -> Iterator[pd.DataFrame]:
    instants = frame["event_timestamp"]
    for week in weeks:
        now = features[(instants >= week) & (instants < week + WEEK)]
        before = features[(instants >= week - reference_weeks * WEEK) & (instants < week)]
        if len(now) and len(before):
            yield _measure_week(week, columns, before, now)


def _measure_week(
    week: datetime, columns: Sequence[FeatureColumn], before: pd.DataFrame, now: pd.DataFrame
) -> pd.DataFrame:
    compared = comparable_columns(columns, before, now, ignored=())
    indices = rank_by_drift(compared, before, now)
    return pd.DataFrame(
        {
            "week": pd.Series([week] * len(indices), dtype="datetime64[us, UTC]"),
            "feature": list(indices),
            "psi": list(indices.values()),
            "missing": [float(now[name].isna().mean()) for name in indices],
            "rows": len(now),
            "reference_rows": len(before),
        }
    )
