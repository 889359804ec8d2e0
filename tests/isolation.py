"""A run of its own: none of the user's settings, one folder for all temporary files, no process left over."""

import os
import signal
import tempfile
import time
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import certifi

# Whatever the user has set for these, or keeps in `.env`, is not for tests.
SETTINGS = ("ROUNDTRIP_", "PREFECT_", "MLFLOW_", "FEAST_", "OPENLINEAGE_", "OTEL_", "AWS_", "RAY_", "SPARK_")
# Set, and set to nothing, so that no file is asked for them: Prefect reads `.env` by itself.
UNSET = ("ROUNDTRIP_ENV_FILE", "PREFECT_API_URL", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING")
# Before any library reads them, and inherited by every process that a test starts.
FIXED = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MPLBACKEND": "Agg",
}
# A worker inherits what Feast's import sets where the tests are handed out: see `features/__init__.py`. And
# what is not compiled once is compiled by each of the hundred processes that a run starts.
UNWANTED = ("PROMETHEUS_MULTIPROC_DIR", "PYTHONDONTWRITEBYTECODE")
RUN = "ROUNDTRIP_TEST_RUN"
# How xdist starts a worker.
WORKER = "eval(sys.stdin.readline())"
PEM_END = "-----END CERTIFICATE-----\n"
# How long what is about to end, such as the sealing of a killed server's log, may take to.
PATIENCE = "SECONDS_TO_END"


def isolate(environment: MutableMapping[str, str]) -> bool:
    """Make this process's environment that of a test run; whether the run begins with this process.

    Workers, and whatever else a test starts, belong to the run that they inherit.
    """
    run = environment.get(RUN, "")
    begins = not (run and Path(run).is_dir())
    for name in [name for name in environment if name.startswith(SETTINGS)]:
        del environment[name]
    environment.update(FIXED, **dict.fromkeys(UNSET, ""))
    environment.setdefault("OMP_NUM_THREADS", "1")
    for name in UNWANTED:
        environment.pop(name, None)
    if begins:
        # pytest's own folders stay where they are: they outlive the run where a test failed.
        environment["PYTEST_DEBUG_TEMPROOT"] = tempfile.gettempdir()
        run = tempfile.mkdtemp(prefix="roundtrip-")
        environment["SSL_CERT_FILE"] = _write_one_authority(Path(run))
    environment.update({RUN: run, "TMPDIR": run, "PREFECT_HOME": f"{run}/prefect"})
    return begins


def _write_one_authority(folder: Path) -> str:
    """Write one certificate to trust: whoever polls with a client each time would read 150 of them each time.

    To read those takes 45 ms, most of a core while tests wait for servers; all that they talk to is loopback.
    """
    authority = folder / "authority.pem"
    authority.write_text(certifi.contents().partition(PEM_END)[0] + PEM_END)
    return str(authority)


@dataclass(frozen=True)
class Process:
    """A running process of this run."""

    pid: int
    parent: int
    command: str


def end_leftovers(run: str, own: int) -> list[Process]:
    """End what still runs of a run whose tests are over, other than its workers and their fork servers.

    Ends come a moment after they are asked for: what ends by itself in that time was not left.
    """
    ends = time.monotonic() + float(os.environ.get(PATIENCE, "30"))
    while (left := _leftovers(run, own)) and time.monotonic() < ends:
        time.sleep(0.05)
    for process in left:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    return left


def _leftovers(run: str, own: int) -> list[Process]:
    running = [process for process in _processes(run) if process.pid != own]
    workers = {process.pid for process in running if process.parent == own and WORKER in process.command}
    kept = {*workers, own}
    return [
        process
        for process in running
        if process.pid not in workers
        and not (process.parent in kept and "from multiprocessing." in process.command)
    ]


def _processes(run: str) -> Iterator[Process]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{RUN}={run}".encode() not in (folder / "environ").read_bytes().split(b"\0"):
                continue
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if state != "Z":
            yield Process(int(folder.name), int(parent), command)
