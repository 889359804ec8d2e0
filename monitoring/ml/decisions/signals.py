"""What a window is judged by: each signal with its value, its threshold, and whether it is past it."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from contracts.problem import DriftPolicy, Problem
from monitoring.ml.windows.labels import Coverage
from monitoring.ml.windows.quality import Quality

Purpose = Literal["retrain", "alert"]
NAMED = 3


class Signal(BaseModel):
    """One measurement of a window against its effect size.

    Only a `retrain` signal counts for retraining; an `alert` tells people of something that retraining does
    not mend. `value` is None where the window could not show it.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    purpose: Purpose
    value: float | None
    threshold: float
    drifting: bool
    detail: str


class DriftVerdict(BaseModel):
    """What Evidently found in the drift report of a window: the verdict that the drift signals carry.

    `feature_psi` has every compared feature, largest first; `drifted_share` is the share of them past the
    threshold. The prediction's fields are None when too few predictions came from the champion.
    """

    model_config = ConfigDict(frozen=True)

    rows: int
    compared: int
    drifted: int
    drifted_share: float
    dataset_drift: bool
    feature_psi: dict[str, float]
    prediction_psi: float | None
    prediction_drift: bool


def drift_signals(verdict: DriftVerdict, policy: DriftPolicy) -> tuple[Signal, ...]:
    """Feature and prediction drift, as Evidently decided them."""
    return (
        Signal(
            name="feature_drift",
            purpose="retrain",
            value=verdict.drifted_share,
            threshold=policy.feature_share,
            drifting=verdict.dataset_drift,
            detail=f"{verdict.drifted} of {verdict.compared} features past a PSI of {policy.feature_psi:g}, "
            f"most moved {_named(verdict.feature_psi)}",
        ),
        Signal(
            name="prediction_drift",
            purpose="retrain",
            value=verdict.prediction_psi,
            threshold=policy.prediction_psi,
            drifting=verdict.prediction_drift,
            detail=_prediction_detail(verdict),
        ),
    )


def quality_signals(
    problem: Problem, quality: Quality | None, reference_skill: float | None
) -> tuple[Signal, ...]:
    """Calibration gap and loss of skill, from the labels that arrived in the window."""
    policy = problem.drift
    enough = quality is not None and quality.labelled >= policy.minimum_sample
    return (_calibration(problem, quality, enough), _skill_drop(policy, quality, reference_skill, enough))


def data_signals(coverage: Coverage, missing: Mapping[str, float], policy: DriftPolicy) -> tuple[Signal, ...]:
    """Overdue labels and missing features: what people should look at, and retraining does not mend."""
    rise = next(iter(missing.values()), 0.0)
    return (
        Signal(
            name="unlabelled_share",
            purpose="alert",
            value=coverage.overdue_share,
            threshold=policy.unlabelled_share,
            drifting=coverage.due >= policy.minimum_sample
            and coverage.overdue_share > policy.unlabelled_share,
            detail=f"{coverage.overdue} of {coverage.due} labels that fell due have not arrived",
        ),
        Signal(
            name="missing_share",
            purpose="alert",
            value=rise,
            threshold=policy.missing_share,
            drifting=coverage.sample >= policy.minimum_sample and rise > policy.missing_share,
            detail=f"missing or stale more often than in training: {_named(missing)}",
        ),
    )


def _calibration(problem: Problem, quality: Quality | None, enough: bool) -> Signal:
    gap = quality.calibration_gap if quality is not None else None
    threshold = problem.drift.calibration_gap
    unit = "" if problem.task == "binary" else ", in its standard deviations"
    return Signal(
        name="calibration_gap",
        purpose="retrain",
        value=gap,
        threshold=threshold,
        drifting=enough and gap is not None and gap > threshold,
        detail=_label_detail(quality, problem.drift, f"mean prediction against label mean{unit}"),
    )


def _skill_drop(
    policy: DriftPolicy, quality: Quality | None, reference: float | None, enough: bool
) -> Signal:
    skill = quality.skill if quality is not None else None
    drop = reference - skill if reference is not None and skill is not None else None
    shown = (
        "not measurable" if drop is None else f"skill over the base rate {skill:.3f} against {reference:.3f}"
    )
    return Signal(
        name="skill_drop",
        purpose="retrain",
        value=drop,
        threshold=policy.skill_drop,
        drifting=enough and drop is not None and drop > policy.skill_drop,
        detail=_label_detail(quality, policy, shown),
    )


def _label_detail(quality: Quality | None, policy: DriftPolicy, meaning: str) -> str:
    labelled = quality.labelled if quality is not None else 0
    if labelled < policy.minimum_sample:
        return f"{labelled} labels arrived, {policy.minimum_sample} needed"
    return f"{meaning}, {labelled} labels"


def _prediction_detail(verdict: DriftVerdict) -> str:
    if verdict.prediction_psi is None:
        return "too few predictions of the champion"
    return f"PSI of the champion's predictions over {verdict.rows} rows at most"


def _named(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in list(values.items())[:NAMED]) or "none"
