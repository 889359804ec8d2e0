"""Package the challenger as a bundle: reference profile and sample, contract, card."""

from pathlib import Path

import numpy as np
import pandas as pd

from contracts.bundle.contract import Contract, Window
from contracts.bundle.scorer import Scorer
from contracts.metrics import Floats
from contracts.problem import Problem
from contracts.profile import ReferenceProfile, build_profile
from training.bundle_writer import BundleParts, write_bundle
from training.fitting import WindowedData
from training.model_card import write_card
from training.splits import window_ranges
from training.validation import SCORING_THREADS, Challenge, Exported

REFERENCE_ROWS = 5_000


def package_bundle(
    folder: Path,
    problem: Problem,
    windowed: WindowedData,
    exported: Exported,
    challenge: Challenge,
    code_version: str,
    seed: int,
) -> Contract:
    """Write the bundle into the empty `folder`; return its contract.

    The reference for drift is every row after the fit window: recent, and not learned by heart.
    """
    recent = slice(windowed.rows["fit"].stop, windowed.rows["gate"].stop)
    prediction = Scorer(exported.graph, SCORING_THREADS).score_matrix(windowed.matrix.rows(recent))
    frame = windowed.training_set.frame.iloc[recent]
    parts = BundleParts(
        graph=exported.graph,
        model=exported.model,
        profile=profile_rows(frame, windowed, prediction),
        reference=sample_reference(frame, windowed, prediction, seed),
        card=lambda contract: write_card(problem, contract, challenge.verdict),
    )
    return write_bundle(folder, parts, draft_contract(problem, windowed, exported, challenge, code_version))


def draft_contract(
    problem: Problem, windowed: WindowedData, exported: Exported, challenge: Challenge, code_version: str
) -> Contract:
    """Return the contract, still without the files' digests."""
    training_set = windowed.training_set
    return Contract(
        problem=problem.name,
        problem_version=problem.version,
        task=problem.task,
        family=exported.model.family,
        feature_service=problem.feature_service,
        columns=training_set.columns,
        label=problem.label.name,
        as_of=training_set.as_of,
        windows=contract_windows(problem, windowed),
        metrics=challenge.evaluation.overall,
        parity_error=exported.parity_error,
        parity_rows=exported.parity_rows,
        data_fingerprint=training_set.fingerprint,
        code_version=code_version,
        files={},
    )


def contract_windows(problem: Problem, windowed: WindowedData) -> dict[str, Window]:
    """Return the windows with their row counts; an expanding fit window starts at its first row."""
    first = windowed.training_set.instants.iloc[0].to_pydatetime()
    return {
        name: Window(start=max(span.start, first), end=span.end, rows=len(windowed.data[name]))
        for name, span in window_ranges(problem.windows, windowed.training_set.as_of)
    }


def profile_rows(frame: pd.DataFrame, windowed: WindowedData, prediction: Floats) -> ReferenceProfile:
    """Profile the feature columns of `frame` (N rows) and their predictions (N,)."""
    columns = windowed.training_set.columns
    return build_profile(
        numeric={c.name: frame[c.name].to_numpy(np.float64) for c in columns if c.kind == "numeric"},
        categorical={c.name: frame[c.name].to_numpy(object) for c in columns if c.kind == "categorical"},
        prediction=prediction,
    )


def sample_reference(
    frame: pd.DataFrame, windowed: WindowedData, prediction: Floats, seed: int
) -> pd.DataFrame:
    """Return at most `REFERENCE_ROWS` rows, in time order: features, `prediction`, the label."""
    names = [column.name for column in windowed.training_set.columns]
    reference = frame[[*names, windowed.training_set.label_name]].assign(prediction=prediction)
    if len(reference) <= REFERENCE_ROWS:
        return reference.reset_index(drop=True)
    rows = np.sort(np.random.default_rng(seed).choice(len(reference), REFERENCE_ROWS, replace=False))
    return reference.iloc[rows].reset_index(drop=True)
