"""What a window shows: its predictions and the labels that arrived, measured against the reference."""

from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from contracts.problem import Problem
from features.contract import read_labels
from inference.prediction_log.label_join import LABEL, join_labels
from inference.prediction_log.reader import read_predictions
from monitoring.ml.decisions.signals import Signal, data_signals, drift_signals, quality_signals
from monitoring.ml.drift.population_stability import comparable_columns, missing_share_rise
from monitoring.ml.drift.window_reports import PREDICTION, Compared, WindowReports, WindowSamples
from monitoring.ml.settings import MonitoringSettings
from monitoring.ml.windows.champion import Champion
from monitoring.ml.windows.labels import (
    Coverage,
    Window,
    measure_coverage,
    newly_labelled,
    span_to_read,
)
from monitoring.ml.windows.quality import Quality, measure_quality
from monitoring.ml.windows.sampling import as_typed, logged_features, sample_rows


@dataclass(frozen=True)
class Observation:
    """The measurements of one window; `reports` is None below the minimum sample: nothing is compared."""

    window: Window
    champion: str
    coverage: Coverage
    quality: Quality | None
    signals: tuple[Signal, ...]
    reports: WindowReports | None


def observe(
    settings: MonitoringSettings, problem: Problem, champion: Champion, as_of: datetime
) -> Observation:
    """Read and measure the window that ends at `as_of` (UTC), with what was known then.

    Raises:
        PredictionLogError: the prediction log cannot be read.
        TableMissingError: there is no table of outcomes.
    """
    window = Window.ending(as_of, problem.drift.window)
    span = span_to_read(window, problem.label)
    predictions = read_predictions(settings, span.start, span.end)
    labels = read_labels(settings.features.tables, problem.label, as_of)
    return measure(settings, problem, champion, window, join_labels(predictions, labels, problem.label))


def measure(
    settings: MonitoringSettings, problem: Problem, champion: Champion, window: Window, joined: pd.DataFrame
) -> Observation:
    """Measure rows of `join_labels` that span the window; reads nothing."""
    coverage = measure_coverage(joined, window, problem.label)
    arrived = newly_labelled(joined, window, champion.version)
    quality = measure_quality(problem, arrived[LABEL].to_numpy(), arrived[PREDICTION].to_numpy())
    own = joined[window.holds(joined["prediction_time"])]
    features = logged_features(own, champion.columns)
    missing = missing_share_rise(champion.columns, champion.profile, features)
    reports = None
    drift: tuple[Signal, ...] = ()
    if coverage.sample >= problem.drift.minimum_sample:
        samples = _sample(settings, problem, champion, own, features, arrived)
        reports = WindowReports(samples, window.end)
        drift = drift_signals(reports.verdict, problem.drift)
    signals = (
        *drift,
        *quality_signals(problem, quality, champion.skill),
        *data_signals(coverage, missing, problem.drift),
    )
    return Observation(window, champion.version, coverage, quality, signals, reports)


def _sample(
    settings: MonitoringSettings,
    problem: Problem,
    champion: Champion,
    own: pd.DataFrame,
    features: pd.DataFrame,
    arrived: pd.DataFrame,
) -> WindowSamples:
    rows, policy = settings.report_rows, problem.drift
    reference = as_typed(champion.reference, champion.columns)
    current = sample_rows(features, rows)
    compared = comparable_columns(champion.columns, reference, current, policy.ignored_features)
    names = [column.name for column in compared]
    answered = own.loc[own["model_version"] == champion.version, [PREDICTION]]
    enough = len(answered) >= policy.minimum_sample
    predictions = Compared(champion.reference[[PREDICTION]], sample_rows(answered, rows)) if enough else None
    return WindowSamples(
        task=problem.task,
        policy=policy,
        compared=compared,
        features=Compared(reference[names], current[names]),
        predictions=predictions,
        labelled=_labelled(problem, champion, sample_rows(arrived, rows)),
    )


def _labelled(problem: Problem, champion: Champion, arrived: pd.DataFrame) -> Compared | None:
    """Predictions with labels on both sides; None where the labels are too few or all the same."""
    pair = [frame[[PREDICTION, LABEL]].astype("float64") for frame in (champion.reference, arrived)]
    if len(arrived) < problem.drift.minimum_sample or any(frame[LABEL].nunique() < 2 for frame in pair):
        return None
    if problem.task == "binary":
        pair = [frame.astype({LABEL: "int64"}) for frame in pair]
    return Compared(*pair)
