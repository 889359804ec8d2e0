"""The journal around a rollout's tags in the registry, so that a crash anywhere is finished.

Order: intent written, carried out, history entry written, intent removed; all of it under a file lock. Each
step says what shall be, not what changes, so that the next call repeats them until they are done. What
servers follow is one tag, written in one call: they see a rollout as it was or as it shall be, never half.

The champion moves only by `contracts.promotion`, with its own journal and expected champion. A promotion by
anyone else ends the rollout at once, since servers and judges hold it to the champion that it started with;
the next call here records that.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from contracts.bundle.errors import BundleError
from contracts.errors import PromotionError, RegistryUnavailableError
from contracts.promotion import history as promotion_history
from contracts.promotion import promote, recover
from contracts.registry import Deployment, deployed, open_client
from contracts.settings import RegistrySettings
from contracts.write_lock import write_lock
from inference.rollout.archive import archive_entry
from inference.rollout.errors import RolloutBusyError
from inference.rollout.record import (
    CURRENT_TAG,
    HISTORY_PREFIX,
    INTENT_TAG,
    LONGEST_REASON,
    Action,
    Entry,
    Figures,
    Intent,
    Rollout,
    current_rollout,
    pending_intent,
    read_history,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient


@contextmanager
def locked(settings: RegistrySettings, name: str) -> Iterator[None]:
    """Keep other writers of the model's rollouts out.

    Raises:
        RolloutBusyError: one of them has held the lock for too long.
        RegistryUnavailableError: the registry failed within; the next call finishes what was begun.
    """
    from mlflow.exceptions import MlflowException

    try:
        with write_lock(settings, "rollout", name, RolloutBusyError):
            yield
    except MlflowException as error:
        raise RegistryUnavailableError(
            f"the registry at {settings.tracking_uri} does not take decisions; try again ({error})"
        ) from error


def settled(settings: RegistrySettings, name: str) -> Deployment:
    """The registry's state once a crash is finished and a promotion by others is recorded."""
    deployment = deployed(settings, name)
    pending = pending_intent(deployment)
    if pending is not None:
        carry_out(settings, name, pending)
        deployment = deployed(settings, name)
    rollout = current_rollout(deployment)
    if rollout is not None and not rollout.holds_in(deployment):
        reason = _why_superseded(settings, name, rollout)
        carry_out(settings, name, plan(deployment, rollout, "superseded", reason, None, None))
        deployment = deployed(settings, name)
    return deployment


def _why_superseded(settings: RegistrySettings, name: str, rollout: Rollout) -> str:
    later = promotion_history(settings, name)[rollout.promotions :]
    if not later:
        return "an alias of the model was moved by hand"
    moved = f"version {later[0].from_version} → version {later[0].to_version}"
    return f"the champion was moved meanwhile ({later[0].action} {moved}: {later[0].reason})"


def carry_out(settings: RegistrySettings, name: str, intent: Intent) -> Entry:
    """Do what the intent says; every call in here may be repeated."""
    client = open_client(settings)
    client.set_registered_model_tag(name, INTENT_TAG, intent.model_dump_json())
    entry = _promoted(settings, name, intent.entry) if intent.entry.action == "promote" else intent.entry
    _point(client, name, intent.after)
    client.set_registered_model_tag(name, f"{HISTORY_PREFIX}{entry.id:06d}", entry.model_dump_json())
    archive_entry(settings, name, entry)
    client.delete_registered_model_tag(name, INTENT_TAG)
    return entry


def _point(client: "MlflowClient", name: str, rollout: Rollout | None) -> None:
    model = client.get_registered_model(name)
    if rollout is not None:
        client.set_registered_model_alias(name, "challenger", rollout.challenger)
        client.set_registered_model_tag(name, CURRENT_TAG, rollout.model_dump_json())
        return
    if CURRENT_TAG in model.tags:
        client.delete_registered_model_tag(name, CURRENT_TAG)
    if "challenger" in model.aliases:
        client.delete_registered_model_alias(name, "challenger")


def _promoted(settings: RegistrySettings, name: str, entry: Entry) -> Entry:
    recover(settings, name)  # a crash may have left this very promotion half done
    serving = deployed(settings, name).serving
    if serving is not None and serving.version == entry.challenger:
        return entry
    try:
        promote(settings, name, entry.challenger, f"rollout: {entry.reason}", entry.champion)
    except (PromotionError, BundleError) as error:
        reason = f"{entry.reason}; but it could not be promoted: {error}"[:LONGEST_REASON]
        return entry.model_copy(update={"action": "stop", "share": 0.0, "reason": reason})
    return entry


def plan(
    deployment: Deployment,
    rollout: Rollout,
    action: Action,
    reason: str,
    figures: Figures | None,
    after: Rollout | None,
) -> Intent:
    """The decision as it will stand in history, and what it leaves under way."""
    share = 0.0 if after is None else after.split.share
    entry = Entry(
        id=len(read_history(deployment)) + 1,
        rollout=rollout.id,
        action=action,
        champion=rollout.champion,
        challenger=rollout.challenger,
        share=1.0 if action == "promote" else share,
        reason=reason[:LONGEST_REASON],
        at=datetime.now(UTC),
        figures=figures,
    )
    return Intent(entry=entry, after=after)
