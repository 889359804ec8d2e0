"""What every test run shares: an environment of its own, nothing skipped silently, nothing left behind."""

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from multiprocessing.util import Finalize
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from hypothesis.internal.conjecture import junkdrawer

from tests.isolation import RUN, end_leftovers, isolate
from tests.measured import keep_probes
from tests.scheduling import LoadRooms, put_longest_first
from tests.skip_policy import ALLOWED_SKIPS, find_unlisted, read_allowed_skips

# Collecting imports most of all libraries, which live as long as the run: a quarter of that time was garbage
# collections that find nothing.
gc.disable()
keep_probes()
BEGINS_RUN = isolate(os.environ)
if BEGINS_RUN:
    # What the run wrote outside pytest's own folders goes last, after what multiprocessing removes itself.
    Finalize(None, shutil.rmtree, args=(os.environ[RUN], True), exitpriority=-200)
import features  # noqa: E402, F401
from contracts import registry  # noqa: E402
from tests.built_once import build_once  # noqa: E402

if TYPE_CHECKING:
    from tests.features.online_servers import Servers

# An example that takes long on a busy machine is no fault.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")
# Nor is its clock needed in the garbage collector, where it breaks what recurses as deep as Python allows.
junkdrawer._gc_initialized = True

SKIPPED = pytest.StashKey[list[str]]()
LEFT = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Start the run's lists of skipped node ids and of processes left running; tidy up at its end."""
    config.stash[SKIPPED], config.stash[LEFT] = [], []
    # Let the interpreter's end find everything; after pytest's own last collections, which look at all of it.
    config.add_cleanup(gc.unfreeze)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadRooms:
    """Hand the tests out by file."""
    return LoadRooms(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    put_longest_first(items)


def pytest_collection_finish() -> None:
    """Collect garbage again, seldom, and only among what tests make from here on."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _registry_laid_out_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """MLflow lays its tables out once in a run; the databases of this process's worlds are copies."""

    def copy(database: Path) -> None:
        folder = build_once(tmp_path_factory, "registry", lambda folder: lay_out(folder / database.name))
        shutil.copy(folder / database.name, database)

    lay_out = registry._lay_out
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(registry, "_lay_out", copy)
        yield


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """A Prefect server; what a process must be told to find it."""
    from tests.orchestrator import running_orchestrator  # imports what few tests need

    with running_orchestrator(tmp_path_factory.mktemp("prefect")) as environment:
        yield environment


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
    """Listen to every report; write temporary files where the run's other processes do.

    Not before: SlipCover has made its own folder by now, which it still reads when the run's is gone.
    """
    tempfile.tempdir = os.environ["TMPDIR"]
    session.config.pluginmanager.register(SkipRecorder(session.config), "skip-recorder")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in which something was skipped that the list does not name, or that leaves processes."""
    skipped = session.config.stash[SKIPPED]
    unlisted = find_unlisted(skipped, read_allowed_skips(ALLOWED_SKIPS))
    left = end_leftovers(os.environ[RUN], os.getpid()) if BEGINS_RUN else []
    session.config.stash[LEFT] = [f"{process.pid}: {process.command}" for process in left]
    if (unlisted or left) and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name what was skipped without leave, and the processes that were left."""
    skipped, left = config.stash[SKIPPED], config.stash[LEFT]
    unlisted = find_unlisted(skipped, read_allowed_skips(ALLOWED_SKIPS))
    if unlisted:
        terminalreporter.section("skipped without leave", red=True)
        terminalreporter.write_line(f"Make these run, or list them with a reason in {ALLOWED_SKIPS.name}:")
        terminalreporter.write_line("\n".join(unlisted))
    if left:
        terminalreporter.section("left running", red=True)
        terminalreporter.write_line("\n".join(left))


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Spark session, started once: whatever opens one in this process is given this one."""
    from features.compute.spark_session import open_spark
    from features.settings import FeatureSettings

    with open_spark(FeatureSettings(var=tmp_path_factory.mktemp("spark"))) as session:
        yield
        gateway = session.sparkContext._gateway
        assert gateway is not None
    # PySpark's Java outlives the session, until its standard input ends.
    gateway.proc.stdin.close()
    gateway.proc.wait()


@pytest.fixture(scope="session")
def servers() -> "Iterator[Servers]":
    """A Redis and a PostgreSQL."""
    from tests.features.online_servers import running_servers  # imports what few tests need

    with running_servers() as servers:
        yield servers
