"""The command line: what it prints, and its exit codes."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from typer.testing import CliRunner, Result

from contracts.promotion import INTENT_TAG, Intent, history
from contracts.registry import current, open_client, version_ref
from features.settings import REPOSITORY
from tests.second_problem.world import dock_environment
from tests.training.conftest import AFTER_THE_SHIFT
from training.command import REFUSED, app
from training.settings import TrainingSettings

NAME = "dock_demand"
NOWHERE = "127.0.0.1:9"


@pytest.fixture(autouse=True)
def _docks(settings: TrainingSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in dock_environment(settings.var).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def champion(settings: TrainingSettings) -> str:
    found = current(settings.registry, NAME)
    assert found is not None
    return found.version


def test_help_comes_quickly_and_names_every_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "training", "--help"],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "ml-models")])},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    for command in ("train", "promote", "rollback", "list", "serve"):
        assert command in done.stdout


def test_list_shows_versions_and_history() -> None:
    done = run("list")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0].split()[:4] == ["version", "aliases", "family", "as"]
    assert [line.split()[1] for line in lines[1:4]] == ["previous", "-", "champion"]
    assert "promote none → 1, done" in done.output
    assert "promote 1 → 3, done" in done.output


def test_promote_and_rollback_say_what_moved(settings: TrainingSettings) -> None:
    done = run("promote", "2", "--reason", "by hand")
    assert (done.exit_code, champion(settings)) == (0, "2")
    assert "version 3 → version 2 (promote: by hand)" in done.output
    done = run("rollback", "--reason", "too hasty")
    assert (done.exit_code, champion(settings)) == (0, "3")
    assert "version 2 → version 3 (rollback: too hasty)" in done.output


def test_a_promotion_that_crashed_is_finished_before_the_next_one(settings: TrainingSettings) -> None:
    # given a promotion to version 2 of which only the intent was written
    intent = Intent(
        id=3,
        action="promote",
        from_version="3",
        to_version="2",
        previous_before="1",
        reason="cut short",
        at=AFTER_THE_SHIFT,
    )
    open_client(settings.registry).set_registered_model_tag(NAME, INTENT_TAG, intent.model_dump_json())
    # when another version is promoted, then both happened, in order
    assert run("promote", "1", "--reason", "the next one").exit_code == 0
    assert champion(settings) == "1"
    assert [entry.to_version for entry in history(settings.registry, NAME)][-2:] == ["2", "1"]


def test_a_refused_training_has_an_exit_code_of_its_own(settings: TrainingSettings) -> None:
    done = run("train", "--as-of", AFTER_THE_SHIFT.isoformat(), "--shuffle-labels")
    assert done.exit_code == REFUSED
    assert "version 4" in done.output
    assert "refused, the champion stays" in done.output
    assert champion(settings) == "3"


def test_an_accepted_training_becomes_champion(settings: TrainingSettings) -> None:
    later = AFTER_THE_SHIFT + timedelta(days=4)
    done = run("train", "--as-of", later.isoformat(), "--reason", "four days more")
    assert done.exit_code == 0
    assert "accepted" in done.output
    assert champion(settings) == "4"


def test_an_accepted_training_may_be_left_to_a_rollout(
    settings: TrainingSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUNDTRIP_PROMOTION", "canary")
    later = AFTER_THE_SHIFT + timedelta(days=4)
    done = run("train", "--as-of", later.isoformat(), "--reason", "four days more")
    assert done.exit_code == 0
    assert "accepted, it waits for `python -m inference rollout`" in done.output
    assert champion(settings) == "3"
    assert version_ref(settings.registry, NAME, "4").tags["gate"] == "accepted"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("promote", "99", "--reason", "x"), 1, "UnknownVersionError"),
        (("promote", "3", "--reason", "x"), 1, "champion already"),
        (("train", "--as-of", "2020-01-01T00:00:00Z"), 1, "EmptyWindowError"),
        (("train", "--as-of", "yesterday"), 2, "ISO 8601"),
        (("train", "--as-of", "2024-04-01T00:00:00"), 2, "no zone"),
        (("serve",), 1, "PREFECT_API_URL"),
        (("rollback",), 2, "--reason"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: tuple[str, ...], code: int, said: str) -> None:
    done = run(*arguments)
    assert done.exit_code == code, done.output
    assert said in done.output


@pytest.mark.parametrize("command", [("train", "--as-of", "2024-04-01T00:00:00Z"), ("serve",)])
def test_an_orchestrator_that_does_not_answer_is_said_in_one_line(command: tuple[str, ...]) -> None:
    with temporary_settings({PREFECT_API_URL: f"http://name:password@{NOWHERE}/api"}):
        done = run(*command)
    assert done.exit_code == 1
    assert done.output.startswith(f"OrchestratorUnavailableError: the orchestrator at http://{NOWHERE}/api")
    assert done.output.count("\n") == 1


def test_the_orchestrator_may_be_named_in_a_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"PREFECT_API_URL=http://{NOWHERE}/api\n")
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "ml-models")])
    done = subprocess.run(
        [sys.executable, "-m", "training", "serve"],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert f"the orchestrator at http://{NOWHERE}/api does not answer" in done.stderr


def test_an_unknown_problem_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDTRIP_PROBLEM", "tests.second_problem.problem:NOTHING")
    done = run("list")
    assert done.exit_code == 1
    assert "ProblemError" in done.output


def test_without_any_training_the_list_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("ROUNDTRIP_VAR", str(tmp_path_factory.mktemp("empty")))
    done = run("list")
    assert done.exit_code == 1
    assert "train first" in done.output
