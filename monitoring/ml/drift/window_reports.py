"""Evidently reports of one window: the drift verdict that decides, and the reports that people read."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

import pandas as pd

from contracts.matrix import names_of
from contracts.problem import DriftPolicy, Task
from features.schema.feature_column import FeatureColumn
from inference.prediction_log.label_join import LABEL
from monitoring.ml.decisions.signals import DriftVerdict
from monitoring.ml.drift.evidently_library import PSI_TEST, load_evidently
from monitoring.ml.drift.population_stability import rank_by_drift

if TYPE_CHECKING:
    from evidently import Dataset
    from evidently.core.report import Snapshot

ReportKind = Literal["data drift", "prediction drift", "quality"]
PREDICTION: Final = "prediction"


@dataclass(frozen=True)
class Compared:
    """Two samples with the same columns."""

    reference: pd.DataFrame
    current: pd.DataFrame


@dataclass(frozen=True)
class WindowSamples:
    """What a window's reports are computed from, already sampled.

    `features` has the columns `compared`; `predictions` the column `prediction`, the champion's only;
    `labelled` has `prediction` and `label`. The last two are None where there is too little to compare.
    """

    task: Task
    policy: DriftPolicy
    compared: tuple[FeatureColumn, ...]
    features: Compared
    predictions: Compared | None
    labelled: Compared | None


@dataclass(frozen=True)
class WindowReports:
    """The reports of one window; `as_of` (UTC) is their timestamp."""

    samples: WindowSamples
    as_of: datetime

    @cached_property
    def verdict(self) -> DriftVerdict:
        """Evidently's verdict: the tests attached to the drift metrics, run without plots.

        A feature counts as drifted past `feature_psi`, the data set at `feature_share` of its features.
        """
        count = self._run("data drift", self._features, [_drifted_columns(self.samples.policy)], {})
        drifted = next(iter(count.metric_results.values()))
        prediction = self._run_prediction_drift({})
        return DriftVerdict(
            rows=len(self.samples.features.current),
            compared=len(self.samples.compared),
            drifted=int(drifted.count.value),
            drifted_share=float(drifted.share.value),
            dataset_drift=_has_failed_test(count),
            feature_psi=self._ranked,
            prediction_psi=None if prediction is None else _value_of(prediction),
            prediction_drift=prediction is not None and _has_failed_test(prediction),
        )

    def build(self, plotted: int, metadata: Mapping[str, str]) -> "dict[ReportKind, Snapshot]":
        """Every report that the window has data for, `metadata` in each.

        The data drift report plots the `plotted` features that moved most.
        """
        metrics = [_drifted_columns(self.samples.policy), *self._feature_plots(plotted)]
        built: dict[ReportKind, Snapshot | None] = {
            "data drift": self._run("data drift", self._features, metrics, metadata),
            "prediction drift": self._run_prediction_drift(metadata),
            "quality": self._run_quality(metadata),
        }
        return {kind: report for kind, report in built.items() if report is not None}

    @cached_property
    def _ranked(self) -> dict[str, float]:
        features = self.samples.features
        return rank_by_drift(self.samples.compared, features.reference, features.current)

    @cached_property
    def _features(self) -> "tuple[Dataset, Dataset]":
        numeric, categorical = (names_of(self.samples.compared, kind) for kind in ("numeric", "categorical"))
        return _datasets(self.samples.features, numeric, categorical)

    def _feature_plots(self, plotted: int) -> list[Any]:
        threshold = self.samples.policy.feature_psi
        return [_value_drift(name, threshold) for name in list(self._ranked)[:plotted]]

    def _run_prediction_drift(self, metadata: Mapping[str, str]) -> "Snapshot | None":
        if self.samples.predictions is None:
            return None
        pair = _datasets(self.samples.predictions, numeric=[PREDICTION])
        metric = _value_drift(PREDICTION, self.samples.policy.prediction_psi)
        return self._run("prediction drift", pair, [metric], metadata)

    def _run_quality(self, metadata: Mapping[str, str]) -> "Snapshot | None":
        if self.samples.labelled is None:
            return None
        pair = _labelled_datasets(self.samples.labelled, self.samples.task)
        return self._run("quality", pair, [_quality_metric(self.samples.task)], metadata)

    def _run(
        self,
        kind: ReportKind,
        pair: "tuple[Dataset, Dataset]",
        metrics: Sequence[Any],
        metadata: Mapping[str, str],
    ) -> "Snapshot":
        reference, current = pair
        report = load_evidently().Report(list(metrics), dict(metadata), [kind], include_tests=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Evidently computes some plots from single rows, and says so
            snapshot: Snapshot = report.run(current, reference, timestamp=self.as_of, name=kind)
        return snapshot


def _drifted_columns(policy: DriftPolicy) -> Any:
    metrics = load_evidently().metrics
    return metrics.DriftedColumnsCount(
        method=PSI_TEST, threshold=policy.feature_psi, drift_share=policy.feature_share
    )


def _value_drift(column: str, threshold: float) -> Any:
    return load_evidently().metrics.ValueDrift(column=column, method=PSI_TEST, threshold=threshold)


def _quality_metric(task: Task) -> Any:
    presets = load_evidently().presets
    return presets.ClassificationQuality() if task == "binary" else presets.RegressionQuality()


def _datasets(
    pair: Compared, numeric: Sequence[str], categorical: Sequence[str] = ()
) -> "tuple[Dataset, Dataset]":
    library = load_evidently()
    definition = library.DataDefinition(
        numerical_columns=list(numeric), categorical_columns=list(categorical)
    )
    return _pair(pair, definition, [*numeric, *categorical])


def _labelled_datasets(pair: Compared, task: Task) -> "tuple[Dataset, Dataset]":
    library = load_evidently()
    if task == "binary":
        target = library.BinaryClassification(target=LABEL, prediction_probas=PREDICTION, pos_label=1)
        definition = library.DataDefinition(
            classification=[target], numerical_columns=[PREDICTION], categorical_columns=[LABEL]
        )
    else:
        regression = library.Regression(target=LABEL, prediction=PREDICTION)
        definition = library.DataDefinition(regression=[regression], numerical_columns=[PREDICTION, LABEL])
    return _pair(pair, definition, [PREDICTION, LABEL])


def _pair(pair: Compared, definition: Any, columns: Sequence[str]) -> "tuple[Dataset, Dataset]":
    dataset = load_evidently().Dataset
    return (
        dataset.from_pandas(pair.reference[list(columns)], data_definition=definition),
        dataset.from_pandas(pair.current[list(columns)], data_definition=definition),
    )


def _has_failed_test(snapshot: "Snapshot") -> bool:
    return any(test.status.value == "FAIL" for test in snapshot.tests_results)


def _value_of(snapshot: "Snapshot") -> float:
    return float(next(iter(snapshot.metric_results.values())).value)
