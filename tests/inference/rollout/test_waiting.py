"""Accepted versions that training left to a rollout: the newest is started once, by a judge that waits."""

import pytest

from contracts.promotion import rollback
from contracts.registry import open_client
from contracts.settings import RegistrySettings
from inference.rollout.accepted_versions import start_waiting, waiting_version
from inference.rollout.actions import end, start, under_way
from inference.rollout.judge import watch
from inference.settings import InferenceSettings
from tests.inference.parking import PROBLEM
from tests.inference.rollout_world import NAME, policy_of, promote_version
from tests.inference.world import add_version, world_settings


@pytest.fixture
def waiting(settings: InferenceSettings, champion: str) -> InferenceSettings:
    """Settings under which accepted versions wait for a canary."""
    return world_settings(settings.var, promotion="canary")


def add_accepted(settings: InferenceSettings, level: float, gate: str = "accepted") -> str:
    version = add_version(settings, level)
    open_client(settings.registry).set_model_version_tag(NAME, version, "gate", gate)
    return version


def test_the_newest_accepted_version_waits(waiting: InferenceSettings) -> None:
    assert waiting_version(waiting.registry, NAME) is None
    add_accepted(waiting, 2.0)
    newest = add_accepted(waiting, 3.0)
    add_accepted(waiting, 4.0, gate="refused")
    assert waiting_version(waiting.registry, NAME) == newest


def test_what_was_rolled_out_or_has_served_does_not_wait_again(waiting: InferenceSettings) -> None:
    version = add_accepted(waiting, 2.0)
    rollout = start(waiting.registry, NAME, version, policy_of(), "in a test")
    end(waiting.registry, NAME, rollout, "roll_back", "it is worse")
    assert waiting_version(waiting.registry, NAME) is None

    promote_version(waiting, add_accepted(waiting, 3.0))
    rollback(waiting.registry, NAME, "worse than it looked")
    assert waiting_version(waiting.registry, NAME) is None


def test_a_judge_that_waits_starts_what_was_accepted(waiting: InferenceSettings) -> None:
    version = add_accepted(waiting, 2.0)

    seen, decided = next(watch(waiting, PROBLEM, seconds=0.1, forever=True))

    assert (seen.rollout.challenger, seen.rollout.policy.mode) == (version, "canary")
    assert decided is None
    assert under_way(waiting.registry, NAME) == seen.rollout


def test_with_direct_promotion_nothing_is_started(settings: InferenceSettings, champion: str) -> None:
    add_accepted(settings, 2.0)

    assert RegistrySettings.model_fields["promotion"].default == settings.registry.promotion == "direct"
    assert start_waiting(settings.registry, PROBLEM) is None
    assert under_way(settings.registry, NAME) is None
