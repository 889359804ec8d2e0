"""What every test run shares: telemetry off, no settings from the shell, nothing skipped silently."""

import os

import pytest

from tests.skip_policy import ALLOWED_SKIPS, find_unlisted, read_allowed_skips

# Before any library reads them, and inherited by every server that a test starts.
for leftover in [name for name in os.environ if name.startswith("ROUNDTRIP_")]:
    del os.environ[leftover]
os.environ.update(
    DO_NOT_TRACK="true",
    MLFLOW_DISABLE_TELEMETRY="true",
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    MPLBACKEND="Agg",
)
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A worker inherits what Feast's import sets where the tests are handed out: see `features/__init__.py`.
os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
import features  # noqa: E402, F401

SKIPPED = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Start the run's list of skipped node ids."""
    config.stash[SKIPPED] = []


class SkipRecorder:
    """Collects what was skipped, at collection or while running; xfail counts as skipped."""

    def __init__(self, config: pytest.Config) -> None:
        self.skipped = config.stash[SKIPPED]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record a test that was skipped or was expected to fail."""
        if report.skipped or hasattr(report, "wasxfail"):
            self.skipped.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Record a module that skipped itself whole."""
        if report.skipped:
            self.skipped.append(report.nodeid)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Listen to every report."""
    session.config.pluginmanager.register(SkipRecorder(session.config), "skip-recorder")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in which something was skipped that the list does not name."""
    unlisted = find_unlisted(session.config.stash[SKIPPED], read_allowed_skips(ALLOWED_SKIPS))
    if unlisted and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name what was skipped without leave."""
    unlisted = find_unlisted(config.stash[SKIPPED], read_allowed_skips(ALLOWED_SKIPS))
    if unlisted:
        terminalreporter.section("skipped without leave", red=True)
        terminalreporter.write_line(f"Make these run, or list them with a reason in {ALLOWED_SKIPS.name}:")
        terminalreporter.write_line("\n".join(unlisted))
