"""Follows the registry: loads what its alias and rollout name beside the old, then swaps one reference."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Event, Thread
from time import monotonic

from contracts.problem import Problem
from contracts.registry import Deployment, ModelVersionRef, deployed
from contracts.registry_watch import RegistryChanges
from inference.errors import NoModelError
from inference.model_loading.challenger_follower import ChallengerFollower
from inference.model_loading.last_deployment import LastDeployment
from inference.model_loading.served_model import ServedModel, load_model
from inference.model_loading.serving_set import ServingSet
from inference.settings import InferenceSettings

logger = logging.getLogger(__name__)

LONGEST_BACKOFF = 15.0
SILENT_SECONDS = 5.0
STOP_SECONDS = 5.0


@dataclass(frozen=True)
class FollowerState:
    """How following goes: when the registry last answered, what failed last, which version is refused."""

    checked_at: datetime | None = None
    error: str | None = None
    refused_version: str | None = None
    failures: int = 0
    failures_total: int = 0


class ModelFollower:
    """A background thread that keeps `serving` what the registry names; a bad one leaves the old in place.

    `serving` is replaced in one assignment. Nothing here runs on a request's path. It begins with what was
    served last, since looking the registry up for the first time takes longer than loading a model.
    """

    def __init__(
        self, settings: InferenceSettings, problem: Problem, on_load: Callable[[ServedModel], None]
    ) -> None:
        self._settings, self._problem, self._on_load = settings, problem, on_load
        self._stop = Event()
        self._thread = Thread(target=self._follow, name="model-follower", daemon=True)
        self._challengers = ChallengerFollower(settings, problem)
        self._last = LastDeployment(settings, problem.name)
        self._looked: Deployment | None = None
        self._changes = RegistryChanges(settings.registry.tracking_db)
        self.serving: ServingSet | None = None
        self.state = FollowerState()
        self._refused_ref: tuple[str, str] | None = None
        self._backoff, self._retry_at = settings.poll_seconds, 0.0
        self._asked_at: float | None = None

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Stop; a load that is under way is left to end with the process."""
        self._stop.set()
        self._thread.join(timeout=STOP_SECONDS)

    @property
    def served(self) -> ServedModel | None:
        """The champion."""
        serving = self.serving
        return serving.champion if serving else None

    def require_serving(self) -> ServingSet:
        """What serves. Raises `NoModelError`: no model is loaded (yet)."""
        serving = self.serving
        if serving is None:
            raise NoModelError.because(self.reason)
        return serving

    @property
    def reason(self) -> str:
        """Why no model is served."""
        return self.trouble or "the model is being loaded; ask /health/ready again in a few seconds"

    @property
    def trouble(self) -> str | None:
        """What keeps the registry from being followed just now; None when nothing does."""
        asked_at = self._asked_at
        silent = 0.0 if asked_at is None else monotonic() - asked_at
        if self.state.error is None and silent > SILENT_SECONDS:
            return f"the registry has not answered for {silent:.0f} s, it may be locked; serving goes on"
        return self.state.error or self._challengers.trouble

    def poll(self) -> None:
        """Look the registry up once and load what it names; whatever fails becomes `state.error`."""
        try:
            deployment = self._look()
        except Exception as error:  # whatever the registry does, serving goes on
            self._failed(f"the registry cannot be read, serving goes on without it: {error}", None)
            return
        champion = self._champion(deployment.serving)
        if champion is not None:
            self._swap(self._challengers.serving_with(champion, deployment))
            if deployment.serving is not None and self._is_served(deployment.serving):
                self._last.keep(deployment)
        self._looked = deployment if self.state.error is None else None

    def _look(self) -> Deployment:
        """What the registry names; the last look again where nothing was written since."""
        last, self._looked, self._asked_at = self._looked, None, monotonic()
        try:
            if self._changes.unchanged() and last is not None:
                return last
            return deployed(self._settings.registry, self._problem.name, self._settings.alias, last)
        finally:
            self._asked_at = None

    def resume(self) -> None:
        """Serve what was served last; what cannot be loaded is left to the first look at the registry."""
        last = self._last.recall()
        if last is None or last.serving is None:
            return
        try:
            champion = load_model(self._settings, self._problem, last.serving)
        except Exception as error:  # whatever it is, the registry may name another by now
            logger.info("Version %s, served last, is not resumed: %s", last.serving.version, error)
            return
        self._swap(self._challengers.serving_with(champion, last))

    def _champion(self, ref: ModelVersionRef | None) -> ServedModel | None:
        """The version that the alias names, or the one served so far where that cannot be had."""
        served = self.served
        if ref is None:
            self._failed(self._explain_no_alias(), None)
            if self.state.checked_at is None:  # resumed only: by now this may be another registry
                self.serving = served = None
        elif self._is_served(ref):
            self._succeeded()
        elif self._is_due(ref):
            return self._load(ref) or served
        return served

    def _load(self, ref: ModelVersionRef) -> ServedModel | None:
        try:
            model = self._challengers.already_loaded(ref) or load_model(self._settings, self._problem, ref)
        except Exception as error:  # a bad version must not take the good one down
            self._refused(ref, error)
            return None
        self._succeeded()
        return model

    def _swap(self, after: ServingSet) -> None:
        before, champion = self.serving, after.champion
        if before is None or before.champion is not champion:
            self.serving = after
            logger.info("Serving %s version %s", champion.ref.name, champion.version)
            self._on_load(champion)
        elif before.challenger is not after.challenger or before.policy != after.policy:
            self.serving = after

    def _is_served(self, ref: ModelVersionRef) -> bool:
        served = self.served
        return served is not None and (served.ref.version, served.ref.digest) == (ref.version, ref.digest)

    def _is_due(self, ref: ModelVersionRef) -> bool:
        """Whether to try: at once for another version than the refused one, ever more rarely for that."""
        return self._refused_ref != (ref.version, ref.digest) or monotonic() >= self._retry_at

    def _refused(self, ref: ModelVersionRef, error: Exception) -> None:
        again = self._refused_ref == (ref.version, ref.digest)
        self._backoff = min(self._backoff * 2, LONGEST_BACKOFF) if again else self._settings.poll_seconds
        self._retry_at = monotonic() + self._backoff
        self._refused_ref = (ref.version, ref.digest)
        self._failed(f"version {ref.version} is refused: {type(error).__name__}: {error}", ref.version)

    def _explain_no_alias(self) -> str:
        name, alias = self._problem.name, self._settings.alias
        return (
            f"model {name!r} has no {alias} yet; train one with `python -m training train`, "
            "or promote a version with `python -m training promote`"
        )

    def _succeeded(self) -> None:
        self._refused_ref, total = None, self.state.failures_total
        self.state = FollowerState(checked_at=datetime.now(UTC), failures_total=total)

    def _failed(self, error: str, refused_version: str | None) -> None:
        before = self.state
        if error != before.error:
            logger.warning("%s", error)
        self.state = replace(
            before,
            error=error,
            refused_version=refused_version,
            failures=before.failures + 1,
            failures_total=before.failures_total + 1,
        )

    def _follow(self) -> None:
        self._survive(self.resume)
        while not self._stop.is_set():
            self._survive(self.poll)
            self._stop.wait(self._settings.poll_seconds)
        self._changes.close()

    def _survive(self, step: Callable[[], None]) -> None:
        """Take a step; whatever nobody expected of it is counted and said, and the next one is taken."""
        try:
            step()
        except Exception as error:
            self._failed(f"following fails and goes on: {type(error).__name__}: {error}", None)
