"""`python -m inference rollout`: what it starts, shows, judges, aborts, and what it says when it cannot."""

import re

import pytest
from typer.testing import CliRunner

from contracts.registry import open_client
from inference.__main__ import app
from inference.rollout.actions import history, under_way
from inference.rollout.losses import TYPICAL_LOSSES
from inference.settings import InferenceSettings
from tests.inference.rollout_world import NAME, champion_of
from tests.inference.running import environment_of
from tests.inference.world import add_version


@pytest.fixture
def challenger(settings: InferenceSettings, champion: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)
    return add_version(settings, 2.0)


def run(*words: str) -> str:
    """What the command prints when it succeeds."""
    result = CliRunner().invoke(app, ["rollout", *words])
    assert result.exit_code == 0, result.output
    return result.output


def refuse(*words: str) -> str:
    """What the command prints when it does not."""
    result = CliRunner().invoke(app, ["rollout", *words])
    assert result.exit_code != 0, result.output
    return re.sub(r"\s+", " ", re.sub(r"[│╭╮╰╯─]", "", result.output))


def test_a_rollout_is_started_shown_judged_and_aborted(
    settings: InferenceSettings, champion: str, challenger: str
) -> None:
    steps = ("--step", "0.1:50", "--step", "0.5:200")
    started = run("start", challenger, "--mode", "canary", *steps, "--key", "site", "--set", "alpha=0.01")
    assert f"version {challenger} against champion {champion}" in started
    assert "canary, step 1 of 2: 10.0% by site" in started

    rollout = under_way(settings.registry, NAME)
    assert rollout is not None
    assert (rollout.policy.alpha, rollout.policy.metric) == (0.01, "squared_error")
    assert rollout.policy.loss_cap == pytest.approx(
        TYPICAL_LOSSES * 1.0
    )  # of the champion's gate rmse, squared

    shown = run("show")
    assert "wait: 0 labels of the challenger at this step, 50 needed" in shown
    assert "asked for by hand" in shown
    assert "300 to roll back, better 100 to win" in shown
    assert "wait: 0 labels" in run("judge", "--once")

    assert "abort" in run("abort", "--reason", "the wrong one")
    assert under_way(settings.registry, NAME) is None
    assert champion_of(settings) == champion
    assert history(settings.registry, NAME)[-1].reason == "the wrong one"
    assert "no rollout is under way" in run("show")
    assert "no rollout is under way" in run("judge", "--every", "0.1")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("start", "77", "--mode", "shadow"), "no version 77; see `python -m training list`"),
        (("start", "1", "--mode", "shadow"), "is the champion already; name another version"),
        (("start", "2", "--mode", "shadow", "--share", "0.5"), "shadow has neither"),
        (("start", "2", "--mode", "ab", "--key", "fee"), "choose one of ['request_id', 'site'] with --key"),
        (("start", "2", "--mode", "canary", "--step", "half"), "write each step as share:labels"),
        (("start", "2", "--mode", "ab", "--set", "alfa=1"), "'alfa' is no field of a policy"),
        (("start", "2", "--mode", "ab", "--set", "alpha=often"), "alpha: Input should be a valid number"),
        (("start", "2", "--mode", "ab", "--expected-champion", "9"), "not 9 as expected"),
        (("start", "2", "--mode", "sideways"), "'sideways' is not one of"),
        (("abort", "--reason", "why"), "there is nothing to abort"),
        (("judge", "--as-of", "2024-05-01T00:00:00"), "has no zone"),
        (("show", "--as-of", "May"), "is not ISO 8601"),
    ],
)
def test_what_cannot_be_done_is_explained(challenger: str, words: tuple[str, ...], said: str) -> None:
    assert said in refuse(*words)


def test_a_champion_that_does_not_say_its_losses_asks_for_the_cap(
    settings: InferenceSettings, challenger: str
) -> None:
    silent = add_version(settings, 1.5, metrics={})
    open_client(settings.registry).set_registered_model_alias(NAME, "champion", silent)

    assert "give the cap with --set loss_cap=" in refuse("start", challenger, "--mode", "ab")
    assert "A/B" in run("start", challenger, "--mode", "ab", "--set", "loss_cap=2")
