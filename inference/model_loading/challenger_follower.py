"""Follows the rollout that the registry has under way: its challenger loaded, its split in force.

Nothing that is wrong with a challenger reaches the champion: one that cannot be loaded leaves the champion
alone in the serving set, and its rollout is stopped with the reason.
"""

import logging

from pydantic import ValidationError

from contracts.errors import RegistryUnavailableError
from contracts.problem import Problem
from contracts.registry import Deployment, ModelVersionRef
from inference.model_loading.served_model import ServedModel, load_model
from inference.model_loading.serving_set import ServingSet
from inference.rollout.actions import end
from inference.rollout.errors import NoRolloutError
from inference.rollout.record import Rollout, current_rollout
from inference.settings import InferenceSettings

logger = logging.getLogger(__name__)


class ChallengerFollower:
    """Keeps the challenger of the rollout under way; used by the one thread that follows the registry."""

    def __init__(self, settings: InferenceSettings, problem: Problem) -> None:
        self._settings, self._problem = settings, problem
        self._loaded: ServedModel | None = None
        self._unusable: tuple[Rollout | None, str] = (None, "")
        self.trouble: str | None = None

    def serving_with(self, champion: ServedModel, deployment: Deployment) -> ServingSet:
        """The champion, with the challenger and the split of the rollout under way, if there is one."""
        self.trouble = None
        try:
            rollout = self._rollout(champion, deployment)
        except ValidationError as error:
            self.trouble = f"the rollout in the registry cannot be read, it is not followed: {error}"
            rollout = None
        if rollout is None or deployment.challenger is None:
            self._loaded = None
            return ServingSet(champion)
        challenger = self._challenger(deployment.challenger, rollout)
        return ServingSet(champion) if challenger is None else ServingSet(champion, challenger, rollout.split)

    def already_loaded(self, ref: ModelVersionRef) -> ServedModel | None:
        """The challenger, if it is this version: one that is promoted need not be loaded again."""
        loaded = self._loaded
        is_it = loaded is not None and (loaded.version, loaded.ref.digest) == (ref.version, ref.digest)
        return loaded if is_it else None

    def _rollout(self, champion: ServedModel, deployment: Deployment) -> Rollout | None:
        if self._settings.alias != "champion":
            return None
        rollout = current_rollout(deployment)
        holds = rollout is not None and rollout.holds_in(deployment) and rollout.champion == champion.version
        return rollout if holds else None

    def _challenger(self, ref: ModelVersionRef, rollout: Rollout) -> ServedModel | None:
        known, reason = self._unusable
        if known != rollout:
            reason = "" if self.already_loaded(ref) else self._load(ref)
            self._unusable = (rollout, reason) if reason else (None, "")
        if reason:
            self._stop(rollout, reason)
        return self._loaded

    def _load(self, ref: ModelVersionRef) -> str:
        """Load the version; why it never can be, or nothing."""
        self._loaded = None
        try:
            self._loaded = load_model(self._settings, self._problem, ref)
        except (RegistryUnavailableError, OSError) as error:  # may pass: tried again at the next look
            self.trouble = f"challenger {ref.version} cannot be loaded yet: {error}"
        except Exception as error:  # whatever is wrong with it, the champion goes on
            return f"version {ref.version} cannot be served: {type(error).__name__}: {error}"
        else:
            logger.info("Version %s of %s is the challenger", ref.version, ref.name)
        return ""

    def _stop(self, rollout: Rollout, reason: str) -> None:
        self.trouble = reason
        logger.warning("The rollout is stopped: %s", reason)
        try:
            end(self._settings.registry, self._problem.name, rollout, "stop", reason)
        except NoRolloutError:
            return  # another server has stopped it
        except Exception as error:  # serving goes on; tried again at the next look
            self.trouble = f"{reason}; and its rollout cannot be stopped: {error}"
