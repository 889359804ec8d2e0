"""Promotion: the expected champion is checked, and a crash between any two writes is finished or undone."""

import shutil
import threading
from datetime import UTC, datetime

import pytest

from contracts import promotion, write_lock
from contracts.bundle.errors import BundleDigestError
from contracts.bundle.reader import read_bundle
from contracts.errors import (
    NoPreviousVersionError,
    PromotionBusyError,
    PromotionError,
    StaleChampionError,
    UnknownVersionError,
)
from contracts.promotion import INTENT_TAG, HistoryEntry, Intent, history, promote, recover, rollback
from contracts.registry import current, fetch_bundle, open_client, version_ref
from contracts.settings import RegistrySettings
from tests.second_problem.problem import PROBLEM
from tests.training.dying_client import DyingClient, ProcessDiedError

NAME = PROBLEM.name


def aliases(settings: RegistrySettings) -> tuple[str | None, str | None]:
    champion, previous = current(settings, NAME), current(settings, NAME, "previous")
    return (
        None if champion is None else champion.version,
        None if previous is None else previous.version,
    )


def pending(settings: RegistrySettings) -> bool:
    return INTENT_TAG in open_client(settings).get_registered_model(NAME).tags


def write_intent(settings: RegistrySettings, to: str, **changes: object) -> Intent:
    fields = {
        "id": len(history(settings, NAME)) + 1,
        "action": "promote",
        "from_version": "3",
        "to_version": to,
        "previous_before": "1",
        "reason": "cut short",
        "at": datetime(2024, 5, 1, tzinfo=UTC),
    }
    intent = Intent.model_validate(fields | changes)
    open_client(settings).set_registered_model_tag(NAME, INTENT_TAG, intent.model_dump_json())
    return intent


def damage(settings: RegistrySettings, version: str) -> None:
    folder = fetch_bundle(settings, version_ref(settings, NAME, version))
    (folder / "model.onnx").write_bytes(b"\x08 damaged")


def test_promotion_moves_both_aliases_and_keeps_the_reason(settings: RegistrySettings) -> None:
    assert aliases(settings) == ("3", "1")
    entry = promote(settings, NAME, "2", "by hand", expected_champion="3")
    assert aliases(settings) == ("2", "3")
    assert history(settings, NAME)[-1] == entry
    assert (entry.reason, entry.outcome, entry.from_version) == ("by hand", "done", "3")
    assert not pending(settings)


def test_rollback_swaps_champion_and_previous(settings: RegistrySettings) -> None:
    rollback(settings, NAME, "worse than it looked")
    assert aliases(settings) == ("1", "3")
    rollback(settings, NAME, "it was not")
    assert aliases(settings) == ("3", "1")
    assert [entry.action for entry in history(settings, NAME)][-2:] == ["rollback", "rollback"]


@pytest.mark.parametrize("expected", ["1", None])
def test_a_stale_expectation_changes_nothing(settings: RegistrySettings, expected: str | None) -> None:
    with pytest.raises(StaleChampionError, match="version 3"):
        promote(settings, NAME, "2", "too slow", expected_champion=expected)
    assert aliases(settings) == ("3", "1")
    assert not pending(settings)


def test_what_cannot_serve_is_not_promoted(settings: RegistrySettings) -> None:
    damage(settings, "2")
    with pytest.raises(BundleDigestError):
        promote(settings, NAME, "2", "damaged", expected_champion="3")
    with pytest.raises(UnknownVersionError):
        promote(settings, NAME, "77", "unknown", expected_champion="3")
    with pytest.raises(PromotionError, match="champion already"):
        promote(settings, NAME, "3", "twice", expected_champion="3")
    assert aliases(settings) == ("3", "1")
    assert not pending(settings)


def test_without_a_previous_version_there_is_no_way_back(settings: RegistrySettings) -> None:
    open_client(settings).delete_registered_model_alias(NAME, "previous")
    with pytest.raises(NoPreviousVersionError):
        rollback(settings, NAME, "to what?")


def test_nothing_to_recover_is_no_event(settings: RegistrySettings) -> None:
    before = history(settings, NAME)
    assert recover(settings, NAME) is None
    assert recover(settings, "never_registered") is None
    assert history(settings, NAME) == before


@pytest.mark.parametrize("written", ["intent", "previous", "champion", "history"])
def test_a_crash_after_any_write_is_finished(settings: RegistrySettings, written: str) -> None:
    # given a promotion that stopped after `written`
    client = open_client(settings)
    intent = write_intent(settings, to="2")
    if written in ("previous", "champion", "history"):
        client.set_registered_model_alias(NAME, "previous", "3")
    if written in ("champion", "history"):
        client.set_registered_model_alias(NAME, "champion", "2")
    if written == "history":
        entry = HistoryEntry(**intent.model_dump(), outcome="done")
        client.set_registered_model_tag(
            NAME, f"{promotion.HISTORY_PREFIX}{intent.id:06d}", entry.model_dump_json()
        )
    before = len(history(settings, NAME))
    # when the next call comes, which is a rollback
    rollback(settings, NAME, "after the crash")
    # then the promotion was finished first, once, and then rolled back
    assert aliases(settings) == ("3", "2")
    assert len(history(settings, NAME)) == before + (1 if written == "history" else 2)
    assert not pending(settings)


@pytest.mark.parametrize("moved", [False, True])
def test_a_promotion_to_a_damaged_bundle_is_undone(settings: RegistrySettings, moved: bool) -> None:
    client = open_client(settings)
    write_intent(settings, to="2")
    client.set_registered_model_alias(NAME, "previous", "3")
    if moved:
        client.set_registered_model_alias(NAME, "champion", "2")
    damage(settings, "2")
    entry = recover(settings, NAME)
    assert entry is not None
    assert entry.outcome == "undone"
    assert aliases(settings) == ("3", "1")


def test_undoing_the_first_promotion_leaves_no_champion(settings: RegistrySettings) -> None:
    client = open_client(settings)
    write_intent(settings, to="2", from_version=None, previous_before=None)
    for alias in ("champion", "previous"):
        client.delete_registered_model_alias(NAME, alias)
    damage(settings, "2")
    recover(settings, NAME)
    assert aliases(settings) == (None, None)


def test_a_champion_moved_by_hand_stands(settings: RegistrySettings) -> None:
    write_intent(settings, to="2", from_version="1", previous_before=None)
    entry = recover(settings, NAME)
    assert entry is not None
    assert entry.outcome == "undone"
    assert aliases(settings) == ("3", "1")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_lock, "LOCK_TIMEOUT", 0.2)


@pytest.mark.usefixtures("impatient")
def test_two_writers_do_not_meet(settings: RegistrySettings) -> None:
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with promotion._locked(settings, NAME):
            entered.set()
            leave.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    entered.wait(10)
    try:
        with pytest.raises(PromotionBusyError):
            rollback(settings, NAME, "at the same time")
    finally:
        leave.set()
        holder.join()
    assert aliases(settings) == ("3", "1")


def test_the_champion_reads_after_everything(settings: RegistrySettings) -> None:
    shutil.rmtree(settings.locks)
    rollback(settings, NAME, "the lock's folder is made again")
    champion = current(settings, NAME)
    assert champion is not None
    read_bundle(fetch_bundle(settings, champion))


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_nothing_is_moved_before_the_journal_says_so(
    settings: RegistrySettings, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    before = history(settings, NAME)
    with monkeypatch.context() as patch:
        patch.setattr(promotion, "open_client", lambda chosen: DyingClient(chosen, writes))
        with pytest.raises(ProcessDiedError):
            promote(settings, NAME, "2", "cut short", expected_champion="3")

    recover(settings, NAME)

    moved = [entry.to_version for entry in history(settings, NAME)[len(before) :]]
    assert (aliases(settings), moved) == ((("2", "3"), ["2"]) if writes else (("3", "1"), []))
