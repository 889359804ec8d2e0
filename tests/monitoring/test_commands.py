"""The commands: evaluate one window, write its reports again, and say what is wrong."""

import json

import pytest
from typer.testing import CliRunner, Result

from contracts.registry import open_client
from monitoring.ml.__main__ import app
from monitoring.ml.settings import MonitoringSettings
from tests.monitoring.orders import PROBLEM, START, WEEK, draw_orders
from tests.monitoring.world import live_through

END = (START + WEEK).isoformat()


@pytest.fixture(autouse=True)
def environment(settings: MonitoringSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDTRIP_VAR", str(settings.var))
    monkeypatch.setenv("ROUNDTRIP_PROBLEM", settings.problem)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_evaluate_prints_the_decision_and_leaves_its_reports(settings: MonitoringSettings) -> None:
    live_through(settings, [draw_orders(START, 900, seed=1)])

    answer = run("evaluate", "--as-of", END)

    assert answer.exit_code == 0
    assert json.loads(answer.stdout)["verdict"] == "hold"
    assert list(settings.workspace.glob("*/snapshots/*.json"))


def test_report_names_the_files_that_it_wrote(settings: MonitoringSettings) -> None:
    live_through(settings, [draw_orders(START, 900, seed=1)])

    answer = run("report", "--as-of", END)

    assert answer.exit_code == 0
    assert sum(line.endswith(".html") for line in answer.output.splitlines()) == 3


@pytest.mark.parametrize("command", ["evaluate", "report"])
def test_without_a_champion_the_command_says_what_to_do(settings: MonitoringSettings, command: str) -> None:
    open_client(settings.registry).delete_registered_model_alias(PROBLEM.name, "champion")

    answer = run(command, "--as-of", END)

    assert answer.exit_code == 1
    assert "training train" in answer.output


def test_a_moment_without_zone_is_refused() -> None:
    answer = run("evaluate", "--as-of", "2024-05-06T00:00:00")

    assert answer.exit_code == 2
    assert "zone" in answer.output
