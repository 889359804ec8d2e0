"""Rescore challenger, champion and base rate on the same fresh window, through the graphs that serve."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from training.bundle.errors import BundleError
from training.bundle.reader import Bundle, read_bundle
from training.bundle.scorer import Scorer
from training.errors import ParityError, TrainingError
from training.estimators.base import FittedModel
from training.estimators.base_rate import BaseRateEstimator
from training.estimators.parity import (
    PARITY_LIMIT,
    PARITY_ROWS,
    largest_error,
    prediction_scale,
    stress_rows,
)
from training.evaluate import Evaluation, compute_metrics, evaluate
from training.fitting import Candidate, WindowedData
from training.gate import GateVerdict, judge
from training.matrix import MatrixError, to_matrix
from training.metrics import Floats
from training.problem import Problem
from training.registry import ModelVersionRef, fetch_bundle
from training.settings import TrainingSettings

SCORING_THREADS = 2


@dataclass(frozen=True)
class Exported:
    """A model as the graph that will serve; `parity_error` is the largest difference from the model.

    `left_out`: the families that were better and cannot be exported, each with the reason.
    """

    model: FittedModel
    graph: bytes
    parity_error: float
    parity_rows: int
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Champion:
    """The present champion; `bundle` is None when it cannot be opened, and `problem` says why."""

    ref: ModelVersionRef
    bundle: Bundle | None
    fault: str = ""


@dataclass(frozen=True)
class Challenge:
    """The verdict, with the challenger's predictions (N,) and evaluation on the gate window."""

    verdict: GateVerdict
    prediction: Floats
    evaluation: Evaluation


def export_best(ranked: Sequence[Candidate], problem: Problem, windowed: WindowedData, seed: int) -> Exported:
    """Export the first of the candidates that can be; those before it are left out, with the reason.

    Raises:
        ParityError: none can be.
    """
    left_out: dict[str, str] = {}
    for candidate in ranked:
        try:
            exported = export_model(candidate.model, problem, windowed, seed)
        except (TrainingError, BundleError) as error:
            left_out[candidate.model.family] = str(error)
        else:
            return replace(exported, left_out=left_out)
    raise ParityError(f"no candidate can be exported: {'; '.join(left_out.values())}")


def export_model(model: FittedModel, problem: Problem, windowed: WindowedData, seed: int) -> Exported:
    """Export to ONNX and compare with the native model on rows made to find a difference.

    Raises:
        ParityError: they differ by more than `PARITY_LIMIT`, on the scale of the label.
    """
    graph, fit = model.to_onnx(), windowed.data["fit"]
    rows = stress_rows(fit.matrix, seed, PARITY_ROWS)
    error = largest_error(model, graph, rows, prediction_scale(problem.task, fit.label))
    if not error <= PARITY_LIMIT:
        raise ParityError(
            f"the ONNX graph of {model.family} differs from the model by {error:.2e} of the label's scale, "
            f"{PARITY_LIMIT:.0e} is allowed; mend the family's to_onnx, or take it out of the candidates"
        )
    return Exported(model, graph.SerializeToString(), error, len(rows))


def open_champion(settings: TrainingSettings, ref: ModelVersionRef | None) -> Champion | None:
    """Open the champion's bundle; one that cannot be opened is reported, since it cannot serve either."""
    if ref is None:
        return None
    try:
        return Champion(ref, read_bundle(fetch_bundle(settings, ref)))
    except BundleError as error:
        return Champion(ref, None, str(error))


def hold_gate(
    problem: Problem, windowed: WindowedData, exported: Exported, champion: Champion | None
) -> Challenge:
    """Score the gate window with every contestant and judge."""
    gate = windowed.data["gate"]
    prediction = Scorer(exported.graph, threads=SCORING_THREADS).score_matrix(gate.matrix)
    frame = windowed.training_set.frame.iloc[windowed.rows["gate"]]
    evaluation = evaluate(problem.task, frame, gate.label, prediction, problem.slices)
    theirs, faults = _score_champion(windowed, champion)
    verdict = judge(
        problem,
        sample=len(gate),
        challenger=evaluation.overall,
        champion=None if theirs is None else compute_metrics(problem.task, gate.label, theirs),
        base_rate=compute_metrics(problem.task, gate.label, _score_base_rate(problem, windowed)),
    )
    noted = verdict.model_copy(update={"reasons": (*verdict.reasons, *faults)})
    return Challenge(noted, prediction, evaluation)


def _score_champion(
    windowed: WindowedData, champion: Champion | None
) -> tuple[Floats | None, tuple[str, ...]]:
    if champion is None:
        return None, ()
    if champion.bundle is None:
        return None, (f"champion {champion.ref.version} cannot be opened: {champion.fault}",)
    frame = windowed.training_set.frame.iloc[windowed.rows["gate"]]
    try:
        matrix = to_matrix(frame, champion.bundle.contract.columns)
    except MatrixError as error:
        return None, (f"champion {champion.ref.version} reads features that are gone: {error}",)
    return champion.bundle.scorer(threads=SCORING_THREADS).score_matrix(matrix), ()


def _score_base_rate(problem: Problem, windowed: WindowedData) -> Floats:
    data = windowed.data
    estimator = BaseRateEstimator(task=problem.task)
    model = estimator.fit(data["fit"], data["early_stopping"], windowed.training_set.columns, seed=0)
    return np.asarray(model.predict(data["gate"].matrix), dtype=np.float64)
