"""One task vocabulary: hooks and CI call the Makefile's targets, which leave pip alone."""

import os
import re
import stat
import subprocess

import pytest
import yaml

from tests.repository.sources import ROOT, list_targets, list_text_files

PROMISED = {
    *("env", "demo", "test", "nightly", "lint", "format", "lock", "train"),
    *("serve", "monitor", "ui", "bench", "clean", "help"),
}
WORKFLOW = ROOT / ".github" / "workflows" / "ml-ci.yml"
HOOKS = ROOT / ".pre-commit-config.yaml"
CI = ROOT / ".ci" / "run"
# Registries, and where this or that machine keeps things: no business of those who clone this.
PLACES = re.compile(
    r"pypi\.org|pythonhosted|download\.pytorch|registry\.npmjs|/opt/wheels|/root/|/home/\w+|(?<![\w.])/work/"
)


def run_make(*arguments: str) -> str:
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def list_workflow_commands() -> list[str]:
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"].values()
    return [step["run"] for job in jobs for step in job["steps"] if "run" in step]


def test_every_promised_target_is_there_and_explained() -> None:
    assert list_targets() >= PROMISED
    listed = run_make("help")
    assert all(re.search(rf"\b{target}\b", listed) for target in PROMISED)


def test_no_target_touches_pip_once_the_environment_is_there() -> None:
    for target in sorted(PROMISED - {"help", "clean"}):
        planned = run_make("--dry-run", target)
        assert "pip install" not in planned, target


def test_workflow_calls_targets_only() -> None:
    commands = list_workflow_commands()
    assert commands
    assert {command.removeprefix("make ") for command in commands} <= list_targets()


def test_ci_lints_and_tests() -> None:
    calls = re.findall(r"^make (\S+)$", CI.read_text(), flags=re.MULTILINE)
    assert calls == ["lint", "test", "test-slow", "test-stripped"]
    assert CI.stat().st_mode & stat.S_IXUSR


def test_hooks_are_pieces_of_lint() -> None:
    linting = run_make("--dry-run", "lint")
    hooks = yaml.safe_load(HOOKS.read_text())["repos"][0]["hooks"]
    assert all(hook["entry"].split()[0] in linting for hook in hooks)
    assert all(repo["repo"] == "local" for repo in yaml.safe_load(HOOKS.read_text())["repos"])


@pytest.mark.parametrize(
    "variable", ["DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY", "PREFECT_SERVER_ANALYTICS_ENABLED"]
)
def test_targets_run_without_telemetry(variable: str) -> None:
    assert re.search(
        rf"^export {variable} := (true|false)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE
    )
    assert variable in os.environ


def test_no_file_names_a_registry_or_a_machine() -> None:
    here = "tests/repository/test_tasks.py"
    found = [
        f"{path}: {hit.group()}"
        for path, text in list_text_files()
        for hit in PLACES.finditer(text)
        if str(path) != here
    ]
    assert not found
