"""Tries a version out before it is loaded, unless that was done before."""

from pathlib import Path
from typing import Final

from filelock import FileLock

from contracts.bundle.errors import (
    BundleDigestError,
    BundleError,
    BundleMissingError,
    BundleSchemaError,
    BundleUnsafeError,
    GraphSafetyError,
)
from contracts.bundle.reader import Bundle
from contracts.bundle.scorer import ScorerError
from inference.errors import ModelRefusedError
from inference.sandbox.errors import LimitError
from inference.sandbox.limits import Limits, run_trial
from inference.sandbox.messages import TrialReport, TrialRequest
from inference.sandbox.outcomes import KeptOutcome
from inference.settings import InferenceSettings
from inference.validation.limits import LONGEST_TEXT

BUNDLE_ERRORS: Final[dict[str, type[BundleError]]] = {
    kind.__name__: kind
    for kind in (
        *(BundleDigestError, BundleMissingError, BundleSchemaError),
        *(BundleUnsafeError, GraphSafetyError, ScorerError),
    )
}


def require_bounded(settings: InferenceSettings, bundle: Bundle, digest: str) -> None:
    """Check that a bundle, whose contract has this digest, can be opened, scored and explained within limits.

    Takes about a second, and none for a bundle that passed before.

    Raises:
        LimitError: it takes more memory or more time.
        BundleError, ModelRefusedError: it cannot be opened, scored or explained.
        OSError: no process can be started just now.
    """
    outcome = kept_outcome(settings, digest)
    if outcome.has_passed():
        return
    locks = settings.registry.locks
    locks.mkdir(parents=True, exist_ok=True)
    with FileLock(locks / "sandbox.lock"):  # each may take all of the memory, so one at a time
        if outcome.has_passed():  # another worker was quicker
            return
        try:
            report = run_trial(_request(settings, bundle, digest), _limits(settings))
        except LimitError as error:
            outcome.keep(refusal=str(error))
            raise
        if report.error is not None:
            raise _refusal(report)
        outcome.keep()


def kept_outcome(settings: InferenceSettings, digest: str) -> KeptOutcome:
    """Where it is kept whether a bundle passed."""
    folder: Path = settings.var / "sandbox"
    return KeptOutcome(folder / f"{digest}-{settings.network_runtime}.json", _limits(settings))


def _limits(settings: InferenceSettings) -> Limits:
    return Limits(settings.sandbox_bytes, settings.sandbox_seconds)


def _request(settings: InferenceSettings, bundle: Bundle, digest: str) -> TrialRequest:
    """As many rows as a request may carry, with as much text."""
    rows, categories = settings.max_items, len(bundle.contract.categorical)
    text = settings.max_body_bytes // (rows * max(1, categories))
    return TrialRequest(
        folder=bundle.folder,
        digest=digest,
        network_runtime=settings.network_runtime,
        rows=rows,
        text=max(1, min(LONGEST_TEXT, text)),
    )


def _refusal(report: TrialReport) -> Exception:
    kind = BUNDLE_ERRORS.get(report.error or "")
    return kind(report.message) if kind else ModelRefusedError(f"{report.error}: {report.message}")
