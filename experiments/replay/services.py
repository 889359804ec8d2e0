"""The processes of the loop: orchestrator, training runner, service and monitor, wired by environment."""

import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date

from contracts.settings import sqlite_uri
from experiments.processes import Service, Supervisor, free_port
from features.settings import FeatureSettings

TELEMETRY_OFF = {
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}


def loop_environment(settings: FeatureSettings, prefect_port: int) -> dict[str, str]:
    """What every process of the loop is told."""
    raw_dir = {} if settings.raw_dir is None else {"ROUNDTRIP_RAW_DIR": str(settings.raw_dir)}
    home = settings.var / "prefect"
    return {
        **raw_dir,
        **TELEMETRY_OFF,
        "ROUNDTRIP_VAR": str(settings.var),
        "ROUNDTRIP_PROBLEM": settings.problem,
        "ROUNDTRIP_FEATURE_REPO": str(settings.feature_repo),
        "ROUNDTRIP_REPLAY": "true",
        **orchestrator_environment(prefect_port),
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": sqlite_uri(home / "prefect.db", "aiosqlite"),
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "1.0",
        "PYTHONUNBUFFERED": "1",
        # MLflow's server would start a process for each kind of job on language models' traces.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # Threads that wait by spinning would take the cores from the other processes.
        "OMP_WAIT_POLICY": "passive",
    }


def orchestrator_environment(port: int) -> dict[str, str]:
    """What a Prefect server on loopback and its clients are told: where it is, and a password for this run.

    Without one, whatever page is open in a browser on this machine could have the training runner execute a
    shell command: Prefect reads JSON from any origin and whatever content type, and asks for no credential.
    """
    origin, password = f"http://127.0.0.1:{port}", f"roundtrip:{secrets.token_urlsafe(24)}"
    return {
        "PREFECT_API_URL": f"{origin}/api",
        "PREFECT_API_AUTH_STRING": password,
        "PREFECT_SERVER_API_AUTH_STRING": password,
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": origin,
    }


@contextmanager
def talking_to(environment: Mapping[str, str]) -> Iterator[None]:
    """Let this process's Prefect client talk to the server of that environment."""
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings  # takes seconds

    asked = (PREFECT_API_URL, PREFECT_API_AUTH_STRING)
    with temporary_settings({setting: environment[setting.name] for setting in asked}):
        yield


class Services:
    """Starts each process of the loop; none is waited for."""

    def __init__(self, supervisor: Supervisor, settings: FeatureSettings) -> None:
        self._supervisor = supervisor
        self._prefect_port = free_port(4200)
        self.environment: Mapping[str, str] = loop_environment(settings, self._prefect_port)

    @property
    def orchestrator_password(self) -> str:
        """What the orchestrator asks its callers for, made for this run."""
        return self.environment["PREFECT_API_AUTH_STRING"]

    def build_features(self, start: date | None, end: date | None) -> Service:
        """Raw files to feature tables, once; all of them, or only these days."""
        options = [("--start", start), ("--end", end)]
        chosen = [part for name, day in options if day is not None for part in (name, f"{day}T00:00Z")]
        return self._python("features-build", "features", "build", *chosen)

    def apply_features(self) -> None:
        """Register the feature definitions and wait until it is done."""
        self._supervisor.join(self._python("features-apply", "features", "apply"))

    def wait_for(self, service: Service) -> None:
        """Wait for a command that ends by itself."""
        self._supervisor.join(service)

    def start_orchestrator(self) -> Service:
        """A Prefect server on loopback."""
        port = self._prefect_port
        command = [
            sys.executable,
            "-m",
            "prefect",
            "server",
            "start",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ]
        return self._supervisor.start("prefect", command, self.environment, f"http://127.0.0.1:{port}")

    def start_trainer(self) -> Service:
        """The runner that serves the training deployment."""
        return self._python("training", "training", "serve")

    def start_service(self) -> Service:
        """The prediction service."""
        return self._listen("inference", "inference", 8000)

    def start_monitor(self) -> Service:
        """The monitoring process."""
        return self._listen("monitoring", "monitoring.ml", 8010)

    def _listen(self, name: str, module: str, preferred_port: int) -> Service:
        port = free_port(preferred_port)
        return self._python(name, module, "serve", "--port", str(port), url=f"http://127.0.0.1:{port}")

    def _python(self, name: str, module: str, *arguments: str, url: str = "") -> Service:
        return self._supervisor.start(name, [sys.executable, "-m", module, *arguments], self.environment, url)
