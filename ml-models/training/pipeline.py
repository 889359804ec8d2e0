"""The training, wired: data → validate → fit → calibrate → evaluate → gate → bundle → register → promote."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar, TypeVarTuple

from contracts.bundle.contract import CONTRACT_FILE, Contract, file_digest
from contracts.problem import Problem
from contracts.promotion import promote, recover
from contracts.registry import BUNDLE_ARTIFACT, DIGEST_TAG, FLOW_RUN_TAG, current, open_client
from contracts.settings import RegistrySettings
from training.dataset import TrainingSet, build_training_set, validate_training_set
from training.estimators.base import Estimator
from training.fitting import (
    Candidate,
    WindowedData,
    calibrate_candidate,
    divide_into_windows,
    fit_candidate,
    load_candidates,
    rank_candidates,
    shuffle_training_labels,
)
from training.gain import Gain
from training.lineage import TrainingRecord, recorded_training
from training.outcome import TrainingOutcome, TrainingRequest
from training.packaging import package_bundle
from training.provenance import LOCK_FILE, code_version, environment
from training.settings import TrainingSettings
from training.tracking import RunLog, open_nested, open_run, register
from training.validation import (
    Challenge,
    Champion,
    Exported,
    export_best,
    hold_gate,
    open_champion,
    require_comparison,
)

Inputs = TypeVarTuple("Inputs")
Answer = TypeVar("Answer")

logger = logging.getLogger("training")


class Step(Protocol):
    """How a step is run: plainly, or as a task of the orchestrator."""

    def __call__(self, name: str, function: Callable[[*Inputs], Answer], *inputs: *Inputs) -> Answer:
        """Run `function` on the inputs under `name` and return its answer."""


def run_plainly(
    name: str,  # noqa: ARG001 - the orchestrator's needs it
    function: Callable[[*Inputs], Answer],
    *inputs: *Inputs,
) -> Answer:
    """Run a step as a plain call."""
    return function(*inputs)


@dataclass
class Stopwatch:
    """Runs steps and keeps how long each took, in seconds."""

    step: Step
    seconds: dict[str, float] = field(default_factory=dict)

    def __call__(self, name: str, function: Callable[[*Inputs], Answer], *inputs: *Inputs) -> Answer:
        """Run, measure and log one step."""
        started = time.perf_counter()
        answer = self.step(name, function, *inputs)
        self.seconds[name] = round(time.perf_counter() - started, 3)
        logger.info("%s: %.1f s", name, self.seconds[name])
        return answer


@dataclass(frozen=True)
class Training:
    """Everything that the steps of one training share."""

    settings: TrainingSettings
    problem: Problem
    request: TrainingRequest
    code_version: str
    run: Stopwatch
    log: RunLog
    record: TrainingRecord


def train(
    settings: TrainingSettings, problem: Problem, request: TrainingRequest, step: Step = run_plainly
) -> TrainingOutcome:
    """Train as of the requested moment; promote the challenger when the gate accepts it.

    Where `settings.registry.promotion` names a rollout, an accepted challenger is left to wait for it, unless
    there is no champion to run against. What a crashed promotion left is recovered first. The challenger is
    registered either way.

    Raises:
        ContractError: the data, a model or the registry stands in the way; the message says what to do.
    """
    open_client(settings.registry, create=True)
    recover(settings.registry, problem.name)
    version = code_version()
    with (
        open_run(settings.registry, problem, f"train {request.as_of:%Y-%m-%d}", version) as log,
        recorded_training(settings.features, problem, request, log.run_id, version) as record,
    ):
        return _run(Training(settings, problem, request, version, Stopwatch(step), log, record))


def _run(training: Training) -> TrainingOutcome:
    run = training.run
    training_set = run("build training set", _build, training)
    training.record.fingerprint = training_set.fingerprint
    windowed = run("validate", _validate, training, training_set)
    candidates = [_fit(training, windowed, it) for it in load_candidates(training.problem.candidates)]
    ranked = run("evaluate", rank_candidates, candidates, training.problem)
    exported = run("export", _export, training, ranked, windowed)
    registry = training.settings.registry
    champion = open_champion(registry, current(registry, training.problem.name))
    challenge = run("gate", hold_gate, training.problem, windowed, exported, champion)
    return _deliver(training, windowed, exported, challenge, champion, candidates)


def _build(training: Training) -> TrainingSet:
    return build_training_set(training.settings.features, training.problem, training.request.as_of)


def _validate(training: Training, training_set: TrainingSet) -> WindowedData:
    windowed = divide_into_windows(validate_training_set(training_set, training.problem), training.problem)
    if training.request.shuffle_labels:
        return shuffle_training_labels(windowed, training.settings.seed)
    return windowed


def _fit(training: Training, windowed: WindowedData, estimator: Estimator) -> Candidate:
    family, seed = estimator.family, training.settings.seed
    model = training.run(f"fit {family}", fit_candidate, estimator, windowed, seed)
    candidate = training.run(f"calibrate {family}", calibrate_candidate, model, windowed, training.problem)
    with open_nested(training.log, family) as log:
        log.log_params(candidate.model.params())
        log.log_evaluation(candidate.evaluation, "calibration/")
        log.log_metrics(candidate.model.feature_importance(), "importance/")
    return candidate


def _export(training: Training, ranked: list[Candidate], windowed: WindowedData) -> Exported:
    exported = export_best(ranked, training.problem, windowed, training.settings.seed)
    for family, reason in exported.left_out.items():
        logger.warning("%s is left out: %s", family, reason)
    training.log.set_tags({f"left_out.{family}": reason for family, reason in exported.left_out.items()})
    return exported


def _deliver(
    training: Training,
    windowed: WindowedData,
    exported: Exported,
    challenge: Challenge,
    champion: Champion | None,
    candidates: list[Candidate],
) -> TrainingOutcome:
    run, verdict = training.run, challenge.verdict
    bundle = training.log.staging / BUNDLE_ARTIFACT
    run("bundle", _package, training, bundle, windowed, exported, challenge)
    run("log", _log, training, windowed, challenge)
    version = run("register", _register, training, bundle, exported, challenge)
    training.record.version = version
    training.record.tags["gate"] = "accepted" if verdict.accepted else "refused"
    require_comparison(champion, challenge, version)
    promoted = verdict.accepted and not _waits_for_rollout(training.settings.registry, champion)
    if promoted:
        run("promote", _promote, training, version, champion)
    training.log.log_metrics(run.seconds, "seconds/")
    return TrainingOutcome(
        problem=training.problem.name,
        as_of=training.request.as_of,
        version=version,
        family=exported.model.family,
        run_id=training.log.run_id,
        verdict=verdict,
        promoted=promoted,
        candidates=_primary_metrics(candidates, training.problem),
        left_out=dict(exported.left_out),
        seconds=run.seconds,
    )


def _package(
    training: Training, folder: Path, windowed: WindowedData, exported: Exported, challenge: Challenge
) -> Contract:
    return package_bundle(
        folder,
        training.problem,
        windowed,
        exported,
        challenge,
        training.code_version,
        training.settings.seed,
    )


def _log(training: Training, windowed: WindowedData, challenge: Challenge) -> None:
    from training.figures import draw_figures  # imports matplotlib

    log, verdict = training.log, challenge.verdict
    figures, provenance = log.staging / "figures", log.staging / "environment"
    figures.mkdir()
    label = windowed.data["gate"].label
    draw_figures(figures, training.problem, label, challenge.prediction, challenge.evaluation)
    _write_provenance(provenance)
    log.take_folder(figures, figures.name)
    log.take_folder(provenance, provenance.name)
    log.log_dataset(windowed.training_set, training.problem)
    log.log_params(_run_params(training, windowed))
    log.log_evaluation(challenge.evaluation, "")
    log.log_metrics(verdict.base_rate, "base_rate_model/")
    log.log_metrics(verdict.champion or {}, "champion/")
    log.log_metrics(_known(verdict.gain), "gain/")
    log.set_tags(_verdict_tags(training, challenge))


def _known(gain: Gain) -> dict[str, float]:
    return {name: float(value) for name, value in gain.model_dump().items() if value is not None}


def _write_provenance(folder: Path) -> None:
    folder.mkdir()
    (folder / "installed.txt").write_text(environment(), encoding="utf-8")
    if LOCK_FILE.is_file():
        (folder / LOCK_FILE.name).write_text(LOCK_FILE.read_text(encoding="utf-8"), encoding="utf-8")


def _run_params(training: Training, windowed: WindowedData) -> dict[str, str | int | float]:
    rows = {f"rows_{name}": len(data) for name, data in windowed.data.items()}
    return {
        "as_of": training.request.as_of.isoformat(),
        "seed": training.settings.seed,
        "shuffle_labels": str(training.request.shuffle_labels),
        "feature_service": training.problem.feature_service,
        "data_fingerprint": windowed.training_set.fingerprint,
        **rows,
    }


def _verdict_tags(training: Training, challenge: Challenge) -> dict[str, str]:
    return {
        "as_of": training.request.as_of.isoformat(),
        "reason": training.request.reason,
        "gate": "accepted" if challenge.verdict.accepted else "refused",
        "gate_reasons": "\n".join(challenge.verdict.reasons),
        FLOW_RUN_TAG: training.request.flow_run_id,
    }


def _register(training: Training, bundle: Path, exported: Exported, challenge: Challenge) -> str:
    metric = training.problem.primary_metric
    tags = {
        **_verdict_tags(training, challenge),
        "family": exported.model.family,
        DIGEST_TAG: file_digest(bundle / CONTRACT_FILE),
        metric: f"{challenge.evaluation.overall[metric]:.6f}",
    }
    uri = training.log.take_folder(bundle, BUNDLE_ARTIFACT)
    return register(training.log, training.problem, uri, tags)


def _waits_for_rollout(settings: RegistrySettings, champion: Champion | None) -> bool:
    return settings.promotion != "direct" and champion is not None


def _promote(training: Training, version: str, champion: Champion | None) -> None:
    expected = None if champion is None else champion.ref.version
    promote(training.settings.registry, training.problem.name, version, training.request.reason, expected)


def _primary_metrics(candidates: list[Candidate], problem: Problem) -> Mapping[str, float]:
    return {it.model.family: it.evaluation.overall[problem.primary_metric] for it in candidates}
