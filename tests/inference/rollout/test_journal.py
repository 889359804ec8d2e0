"""A rollout in the registry: one at a time, ended by promotions, whole after a crash anywhere."""

import json
from datetime import UTC, datetime

import pytest
from mlflow.store.model_registry.dbmodels.models import SqlRegisteredModelTag

from contracts.bundle.contract import CONTRACT_FILE, MODEL_FILE
from contracts.bundle.errors import BundleError
from contracts.errors import StaleChampionError, UnknownVersionError
from contracts.promotion import rollback
from contracts.registry import Deployment, current, deployed, open_client
from inference.rollout.actions import advance, end, history, start, under_way
from inference.rollout.archive import rollouts_folder
from inference.rollout.errors import ChallengerError, NoRolloutError, RolloutRunningError
from inference.rollout.intent import plan
from inference.rollout.policy import MOST_STEPS, CanaryStep
from inference.rollout.record import CURRENT_TAG, HISTORY_PREFIX, INTENT_TAG, Action, Figures, Rollout
from inference.settings import InferenceSettings
from tests.inference.rollout_world import NAME, champion_of, policy_of, promote_version
from tests.inference.world import add_version, bundle_folder
from tests.training.dying_client import DyingClient, ProcessDiedError

FIGURES = Figures(
    labels=(10, 10),
    labelled_requests=10,
    labels_this_step=10,
    requests=(20, 20),
    mean_loss=(0.2, 0.1),
    labelled_share=(0.5, 0.5),
    failures=0,
    slow_share=(0.0, 0.0),
    wealth_worse=0.1,
    wealth_better=30.0,
    wealth_failing=0.5,
    wealth_slow=0.5,
)


NOTHING = Deployment(serving=None, challenger=None, tags={})


@pytest.fixture
def challenger(settings: InferenceSettings, champion: str) -> str:
    return add_version(settings, 2.0)


@pytest.fixture
def rollout(settings: InferenceSettings, challenger: str) -> Rollout:
    return start(settings.registry, NAME, challenger, policy_of(), "a better one")


def tags(settings: InferenceSettings) -> dict[str, str]:
    return deployed(settings.registry, NAME).tags


def challenger_alias(settings: InferenceSettings) -> str | None:
    ref = current(settings.registry, NAME, "challenger")
    return None if ref is None else ref.version


def actions(settings: InferenceSettings) -> list[Action]:
    return [entry.action for entry in history(settings.registry, NAME)]


def test_a_rollout_is_kept_beside_the_aliases(
    settings: InferenceSettings, champion: str, challenger: str, rollout: Rollout
) -> None:
    assert under_way(settings.registry, NAME) == rollout
    assert (rollout.champion, rollout.challenger, rollout.step) == (champion, challenger, 0)
    assert challenger_alias(settings) == challenger
    [entry] = history(settings.registry, NAME)
    assert (entry.action, entry.share, entry.reason) == ("start", 0.2, "a better one")
    assert INTENT_TAG not in tags(settings)


def test_there_is_one_rollout_at_a_time(settings: InferenceSettings, rollout: Rollout) -> None:
    with pytest.raises(RolloutRunningError, match="abort"):
        start(settings.registry, NAME, add_version(settings, 3.0), policy_of(), "another")
    assert under_way(settings.registry, NAME) == rollout


def test_what_cannot_challenge_is_refused(
    settings: InferenceSettings, champion: str, challenger: str
) -> None:
    with pytest.raises(ChallengerError, match="champion already"):
        start(settings.registry, NAME, champion, policy_of(), "itself")
    with pytest.raises(UnknownVersionError):
        start(settings.registry, NAME, "77", policy_of(), "unknown")
    with pytest.raises(StaleChampionError, match=champion):
        start(settings.registry, NAME, challenger, policy_of(), "stale", expected_champion="77")
    (bundle_folder(settings, challenger) / MODEL_FILE).write_bytes(b"damaged")
    with pytest.raises(BundleError):
        start(settings.registry, NAME, challenger, policy_of(), "damaged")
    assert CURRENT_TAG not in tags(settings)


def test_without_a_champion_there_is_nothing_to_challenge(settings: InferenceSettings) -> None:
    version = add_version(settings, 2.0)
    with pytest.raises(ChallengerError, match="no champion"):
        start(settings.registry, NAME, version, policy_of(), "alone")


def test_it_advances_and_its_challenger_becomes_champion(
    settings: InferenceSettings, champion: str, challenger: str, rollout: Rollout
) -> None:
    advance(settings.registry, NAME, rollout, "no harm seen", FIGURES)
    advanced = under_way(settings.registry, NAME)
    assert advanced is not None
    assert (advanced.step, advanced.split.share) == (1, 0.6)
    assert advanced.steps_began[0] == rollout.steps_began[0] < advanced.steps_began[1]

    entry = end(settings.registry, NAME, advanced, "promote", "it is better", FIGURES)

    assert (entry.action, entry.share, entry.figures) == ("promote", 1.0, FIGURES)
    assert (champion_of(settings), challenger_alias(settings)) == (challenger, None)
    assert under_way(settings.registry, NAME) is None
    assert actions(settings) == ["start", "advance", "promote"]


def test_the_longest_decision_fits_a_tag_of_the_registry() -> None:
    steps = tuple(
        CanaryStep(share=step / (MOST_STEPS + 1), labels=10**6) for step in range(1, MOST_STEPS + 1)
    )
    rollout = Rollout(
        id=10**6,
        champion="1000",
        challenger="1001",
        promotions=10**6,
        policy=policy_of(steps=steps, salt="x" * 64, loss_cap=1 / 3),
        steps_began=(datetime.now(UTC),) * MOST_STEPS,
    )
    entry = plan(NOTHING, rollout, "advance", "why " * 1_000, FIGURES, rollout)

    assert len(entry.model_dump_json()) < SqlRegisteredModelTag.value.type.length


def test_decisions_are_files_too(settings: InferenceSettings, rollout: Rollout) -> None:
    end(settings.registry, NAME, rollout, "roll_back", "it is worse", FIGURES)

    started, rolled_back = sorted((rollouts_folder(settings) / NAME).iterdir())
    assert json.loads(started.read_text())["action"] == "start"
    assert json.loads(rolled_back.read_text())["figures"]["labels"] == [10, 10]


def test_a_decision_on_what_has_moved_on_changes_nothing(
    settings: InferenceSettings, rollout: Rollout
) -> None:
    advance(settings.registry, NAME, rollout, "no harm seen", FIGURES)
    with pytest.raises(NoRolloutError, match="moved on"):
        end(settings.registry, NAME, rollout, "promote", "late", FIGURES)
    assert champion_of(settings) == rollout.champion
    assert actions(settings) == ["start", "advance"]


@pytest.mark.parametrize("returned", [False, True])
def test_a_promotion_by_training_ends_it(
    settings: InferenceSettings, rollout: Rollout, returned: bool
) -> None:
    promote_version(settings, add_version(settings, 3.0), "trained on May")
    if returned:
        rollback(settings.registry, NAME, "no good")  # the same champion again, but not the same time

    assert under_way(settings.registry, NAME) is None
    *_, entry = history(settings.registry, NAME)
    assert entry.action == "superseded"
    assert "trained on May" in entry.reason
    assert challenger_alias(settings) is None


def test_an_alias_moved_by_hand_ends_it(settings: InferenceSettings, rollout: Rollout) -> None:
    open_client(settings.registry).set_registered_model_alias(NAME, "champion", add_version(settings, 3.0))

    assert under_way(settings.registry, NAME) is None
    assert "by hand" in history(settings.registry, NAME)[-1].reason


def test_a_challenger_that_cannot_be_promoted_leaves_the_champion(
    settings: InferenceSettings, champion: str, rollout: Rollout
) -> None:
    (bundle_folder(settings, rollout.challenger) / CONTRACT_FILE).unlink()

    entry = end(settings.registry, NAME, rollout, "promote", "it is better", FIGURES)

    assert entry.action == "stop"
    assert "could not be promoted" in entry.reason
    assert (champion_of(settings), challenger_alias(settings)) == (champion, None)


FEWEST_WRITES = {"start": 5, "advance": 5, "promote": 10, "stop": 5}


@pytest.mark.parametrize(
    "action",
    ["start", "stop", *(pytest.param(name, marks=pytest.mark.slow) for name in ("advance", "promote"))],
)
def test_a_crash_between_any_two_writes_is_finished(
    settings: InferenceSettings,
    champion: str,
    challenger: str,
    action: Action,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for writes in range(1, FEWEST_WRITES[action]):
        # given a rollout, if one is to be decided on
        rollout = (
            start(settings.registry, NAME, challenger, policy_of(), "given") if action != "start" else None
        )
        # when the process dies after its first so many writes
        with monkeypatch.context() as patch:
            client = DyingClient(settings.registry, writes)
            patch.setattr("inference.rollout.intent.open_client", lambda _, client=client: client)
            patch.setattr("contracts.promotion.open_client", lambda _, client=client: client)
            with pytest.raises(ProcessDiedError):
                carry(settings, rollout, action)
        # then the next look finishes it, once
        check_finished(settings, action, champion, challenger)
        undo(settings, champion)


def carry(settings: InferenceSettings, rollout: Rollout | None, action: Action) -> None:
    if rollout is None:
        start(settings.registry, NAME, "2", policy_of(), "crashes")
    elif action == "advance":
        advance(settings.registry, NAME, rollout, "crashes", FIGURES)
    else:
        end(settings.registry, NAME, rollout, action, "crashes", FIGURES)


def check_finished(settings: InferenceSettings, action: Action, champion: str, challenger: str) -> None:
    left = under_way(settings.registry, NAME)
    assert INTENT_TAG not in tags(settings)
    assert (left is not None) == (action in ("start", "advance"))
    assert left is None or left.step == (action == "advance")
    assert champion_of(settings) == (challenger if action == "promote" else champion)
    assert [entry.reason for entry in history(settings.registry, NAME)].count("crashes") == 1


def undo(settings: InferenceSettings, champion: str) -> None:
    """Back to a champion alone, without a history."""
    client = open_client(settings.registry)
    for tag in tags(settings):
        if tag == CURRENT_TAG or tag.startswith(HISTORY_PREFIX):
            client.delete_registered_model_tag(NAME, tag)
    client.set_registered_model_alias(NAME, "champion", champion)
