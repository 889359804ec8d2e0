"""Rescore challenger, champion and base rate on the same fresh window, through the graphs that serve."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import numpy as np
import pandas as pd

from contracts.bundle.contract import Contract
from contracts.bundle.errors import BundleError
from contracts.bundle.reader import Bundle, read_bundle
from contracts.bundle.scorer import Scorer
from contracts.errors import ChampionUnreadableError, ContractError, RegistryUnavailableError
from contracts.evaluate import Evaluation, compute_metrics, evaluate
from contracts.matrix import MatrixError, to_matrix
from contracts.metrics import Floats
from contracts.parity import (
    PARITY_LIMIT,
    PARITY_ROWS,
    largest_error,
    prediction_scale,
    stress_rows,
)
from contracts.problem import Problem
from contracts.registry import ModelVersionRef, fetch_bundle
from contracts.settings import RegistrySettings
from training.errors import ParityError
from training.estimators.base import FittedModel
from training.estimators.base_rate import BaseRateEstimator
from training.fitting import Candidate, WindowedData
from training.gain import Gain, measure_gain, number_days
from training.gate import Check, GateVerdict, judge
from training.splits import window_ranges

SCORING_THREADS: Final = 2
# What a bundle that may be there again in a moment ends in: its files are away, or the server that has them.
UNREADABLE: Final = (BundleError, RegistryUnavailableError, OSError)


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
    """The present champion; `bundle` is None when it cannot be read just now, and `fault` says why."""

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
        except (ContractError, BundleError) as error:
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


def open_champion(settings: RegistrySettings, ref: ModelVersionRef | None) -> Champion | None:
    """Open the champion's bundle; None when there is no champion, which one that is away for now is not."""
    if ref is None:
        return None
    try:
        return Champion(ref, read_bundle(fetch_bundle(settings, ref), ref.digest))
    except UNREADABLE as error:
        return Champion(ref, None, str(error))


def hold_gate(
    problem: Problem, windowed: WindowedData, exported: Exported, champion: Champion | None
) -> Challenge:
    """Score the gate window with every contestant and judge.

    A champion that cannot be scored there is no rival that could be beaten: the verdict is a refusal.
    """
    gate = windowed.data["gate"]
    prediction = Scorer(exported.graph, threads=SCORING_THREADS).score_matrix(gate.matrix)
    evaluation = evaluate(problem.task, gate_frame(windowed), gate.label, prediction, problem.slices)
    base_rate = _score_base_rate(problem, windowed)
    theirs, conditions = _score_champion(windowed, champion)
    verdict = judge(
        problem,
        sample=len(gate),
        challenger=evaluation.overall,
        champion=None if theirs is None else compute_metrics(problem.task, gate.label, theirs),
        base_rate=compute_metrics(problem.task, gate.label, base_rate),
        gain=_measure_gain(problem, windowed, prediction, base_rate if theirs is None else theirs),
        conditions=conditions,
    )
    return Challenge(verdict, prediction, evaluation)


def gate_frame(windowed: WindowedData) -> pd.DataFrame:
    """The rows of the gate window as they were read."""
    return windowed.training_set.frame.iloc[windowed.rows["gate"]]


def require_comparison(champion: Champion | None, challenge: Challenge, version: str) -> None:
    """Check that the champion, if there is one, was compared with the registered challenger `version`.

    Raises:
        ChampionUnreadableError: it was not.
    """
    if champion is None or challenge.verdict.champion is not None:
        return
    raise ChampionUnreadableError(
        f"version {version} is registered and not promoted: {challenge.verdict.reasons[1]}; restore it and "
        "train again, or go back with `python -m training rollback`; if it is lost for good, "
        f"`python -m training promote {version}` puts the new version in its place"
    )


def _measure_gain(problem: Problem, windowed: WindowedData, prediction: Floats, rival: Floats) -> Gain:
    days = number_days(gate_frame(windowed)["event_timestamp"], _gate_start(problem, windowed))
    label = windowed.data["gate"].label
    return measure_gain(problem.task, problem.primary_metric, label, prediction, rival, days)


def _gate_start(problem: Problem, windowed: WindowedData) -> datetime:
    return window_ranges(problem.windows, windowed.training_set.as_of).gate.start


def _score_champion(
    windowed: WindowedData, champion: Champion | None
) -> tuple[Floats | None, tuple[Check, ...]]:
    if champion is None:
        return None, ()
    if champion.bundle is None:
        return None, (_refusal(champion, f"cannot be read: {champion.fault}"),)
    try:
        matrix = to_matrix(gate_frame(windowed), champion.bundle.contract.columns)
        prediction = champion.bundle.scorer(threads=SCORING_THREADS).score_matrix(matrix)
    except MatrixError as error:
        return None, (_refusal(champion, f"reads features that are gone: {error}"),)
    except UNREADABLE as error:
        return None, (_refusal(champion, f"cannot be read: {error}"),)
    return prediction, _unseen(windowed, champion.ref.version, champion.bundle.contract)


def _refusal(champion: Champion, fault: str) -> Check:
    return Check(passed=False, reason=f"champion {champion.ref.version} {fault} (refused)")


def _unseen(windowed: WindowedData, version: str, contract: Contract) -> tuple[Check, ...]:
    """Refuse a gate window of which the champion has learned something; the challenger's own ends before."""
    learned_until = max(
        (window.end for name, window in contract.windows.items() if name != "gate"), default=None
    )
    first = gate_frame(windowed)["event_timestamp"].iloc[0]
    if learned_until is None or learned_until <= first:
        return ()
    learned, begins = f"{learned_until:%Y-%m-%d %H:%M}", f"{first:%Y-%m-%d %H:%M}"
    reason = (
        f"champion {version} learned from rows until {learned}, and the gate window begins at {begins}: "
        "train at a later as_of (refused)"
    )
    return (Check(passed=False, reason=reason),)


def _score_base_rate(problem: Problem, windowed: WindowedData) -> Floats:
    data = windowed.data
    estimator = BaseRateEstimator(task=problem.task)
    model = estimator.fit(data["fit"], data["early_stopping"], windowed.training_set.columns, seed=0)
    return np.asarray(model.predict(data["gate"].matrix), dtype=np.float64)
