"""Move the champion: a journal around MLflow's aliases, so that a crash anywhere is finished or undone.

Order: intent written, `previous` set, `champion` moved, history entry written, intent removed; all of it
under a file lock. The intent is the point of no return: `recover` repeats what follows it until it is done.
"""

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from contracts.bundle.errors import BundleError
from contracts.bundle.reader import read_bundle
from contracts.errors import (
    NoPreviousVersionError,
    PromotionBusyError,
    PromotionError,
    StaleChampionError,
    UnknownVersionError,
)
from contracts.registry import fetch_bundle, open_client, version_ref
from contracts.settings import RegistrySettings
from contracts.write_lock import write_lock

if TYPE_CHECKING:
    from mlflow import MlflowClient

INTENT_TAG = "promotion.intent"
HISTORY_PREFIX = "promotion.history."
LONGEST_REASON = 2_000

Outcome = Literal["done", "undone"]


class Intent(BaseModel):
    """What a promotion is about to do, and what it takes to undo it. `at` is when it was written (UTC)."""

    model_config = ConfigDict(frozen=True)

    id: int
    action: Literal["promote", "rollback"]
    from_version: str | None
    to_version: str
    previous_before: str | None
    reason: str
    at: AwareDatetime


class HistoryEntry(Intent):
    """An intent that has come to its end."""

    outcome: Outcome


class _Registered(BaseModel):
    """The registered model as the journal sees it."""

    champion: str | None
    previous: str | None
    tags: dict[str, str]

    @property
    def intent(self) -> Intent | None:
        text = self.tags.get(INTENT_TAG)
        return Intent.model_validate_json(text) if text else None

    @property
    def history(self) -> list[HistoryEntry]:
        texts = [self.tags[key] for key in sorted(self.tags) if key.startswith(HISTORY_PREFIX)]
        return [HistoryEntry.model_validate_json(text) for text in texts]


def promote(
    settings: RegistrySettings, name: str, version: str, reason: str, expected_champion: str | None
) -> HistoryEntry:
    """Make `version` the champion; the present champion, which must be `expected_champion`, becomes previous.

    Raises:
        StaleChampionError: the champion is another version than expected; nothing was changed.
        PromotionError: `version` is the champion already.
        UnknownVersionError: there is no such version.
        BundleError: the version's bundle cannot be used.
        PromotionBusyError: another process holds the lock.
    """
    with _locked(settings, name):
        client = open_client(settings)
        _recover(settings, client, name)
        state = _read(client, name)
        _require_champion(state, expected_champion, name)
        return _move(settings, client, name, _intent(state, "promote", version, reason))


def rollback(settings: RegistrySettings, name: str, reason: str) -> HistoryEntry:
    """Make the previous version the champion again; the present champion becomes previous.

    Raises:
        NoPreviousVersionError: there is no previous version.
        BundleError: the previous version's bundle cannot be used.
        PromotionBusyError: another process holds the lock.
    """
    with _locked(settings, name):
        client = open_client(settings)
        _recover(settings, client, name)
        state = _read(client, name)
        if state.previous is None:
            raise NoPreviousVersionError(
                f"{name} has no previous version; promote one with `python -m training`"
            )
        return _move(settings, client, name, _intent(state, "rollback", state.previous, reason))


def recover(settings: RegistrySettings, name: str) -> HistoryEntry | None:
    """Finish or undo what a crashed promotion left; None when there was nothing to do.

    It is finished when the version that it was moving to still has a usable bundle, and undone otherwise.
    """
    with _locked(settings, name):
        return _recover(settings, open_client(settings), name)


def history(settings: RegistrySettings, name: str) -> list[HistoryEntry]:
    """Return every promotion and rollback of `name`, oldest first."""
    return _read(open_client(settings), name).history


def _recover(settings: RegistrySettings, client: "MlflowClient", name: str) -> HistoryEntry | None:
    state = _read(client, name)
    intent = state.intent
    if intent is None:
        return None
    if state.champion not in (intent.from_version, intent.to_version):
        return _close(client, name, intent, "undone")  # someone moved the alias by hand since: theirs stands
    if _is_usable(settings, name, intent.to_version):
        return _carry_out(client, name, intent)
    return _undo(client, name, intent)


def _move(settings: RegistrySettings, client: "MlflowClient", name: str, intent: Intent) -> HistoryEntry:
    if intent.to_version == intent.from_version:
        raise PromotionError(f"version {intent.to_version} of {name} is the champion already")
    read_bundle(fetch_bundle(settings, version_ref(settings, name, intent.to_version)))
    client.set_registered_model_tag(name, INTENT_TAG, intent.model_dump_json())
    return _carry_out(client, name, intent)


def _carry_out(client: "MlflowClient", name: str, intent: Intent) -> HistoryEntry:
    if intent.from_version is not None:
        client.set_registered_model_alias(name, "previous", intent.from_version)
    client.set_registered_model_alias(name, "champion", intent.to_version)
    return _close(client, name, intent, "done")


def _undo(client: "MlflowClient", name: str, intent: Intent) -> HistoryEntry:
    _restore(client, name, "champion", intent.from_version)
    _restore(client, name, "previous", intent.previous_before)
    return _close(client, name, intent, "undone")


def _restore(client: "MlflowClient", name: str, alias: str, version: str | None) -> None:
    if version is None:
        client.delete_registered_model_alias(name, alias)
    else:
        client.set_registered_model_alias(name, alias, version)


def _close(client: "MlflowClient", name: str, intent: Intent, outcome: Outcome) -> HistoryEntry:
    entry = HistoryEntry(**intent.model_dump(), outcome=outcome)
    client.set_registered_model_tag(name, f"{HISTORY_PREFIX}{intent.id:06d}", entry.model_dump_json())
    client.delete_registered_model_tag(name, INTENT_TAG)
    return entry


def _intent(state: _Registered, action: Literal["promote", "rollback"], version: str, reason: str) -> Intent:
    return Intent(
        id=len(state.history) + 1,
        action=action,
        from_version=state.champion,
        to_version=version,
        previous_before=state.previous,
        reason=reason[:LONGEST_REASON],
        at=datetime.now(UTC),
    )


def _require_champion(state: _Registered, expected: str | None, name: str) -> None:
    if state.champion != expected:
        raise StaleChampionError(
            f"the champion of {name} is version {state.champion}, not {expected} as expected; "
            "look at `python -m training list` and try again"
        )


def _is_usable(settings: RegistrySettings, name: str, version: str) -> bool:
    try:
        read_bundle(fetch_bundle(settings, version_ref(settings, name, version)))
    except (BundleError, UnknownVersionError):
        return False
    return True


def _read(client: "MlflowClient", name: str) -> _Registered:
    from mlflow.exceptions import MlflowException

    try:
        model = client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return _Registered(champion=None, previous=None, tags={})
    versions = {alias: str(version) for alias, version in model.aliases.items()}
    return _Registered(champion=versions.get("champion"), previous=versions.get("previous"), tags=model.tags)


def _locked(settings: RegistrySettings, name: str) -> AbstractContextManager[None]:
    return write_lock(settings, "promotion", name, PromotionBusyError)
