"""`python -m experiments.ui`: MLflow, Prefect, Evidently and the API docs on one world, until Ctrl-C."""

import secrets
import sys
import time
from collections.abc import Mapping, Sequence

import typer
from rich.console import Console

from contracts.settings import RegistrySettings
from experiments.errors import ExperimentError, NothingToShowError
from experiments.processes import Service, Supervisor, free_port, stop_on_signals
from experiments.replay.services import Services
from features.command_line import run_commands
from monitoring.ml.settings import MonitoringSettings

_WATCH_SECONDS = 1.0
_READY_SECONDS = 120.0


def main() -> None:
    """Show what `ROUNDTRIP_VAR` holds: four servers on free loopback ports, their links, Ctrl-C ends all."""
    settings, console = MonitoringSettings(), Console()
    stop_on_signals()
    try:
        show(settings, console)
    except ExperimentError as error:
        console.print(f"[red]Stopped:[/red] {error}", highlight=False)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        console.print("Every server was stopped.")


def show(settings: MonitoringSettings, console: Console) -> None:
    """Start the servers, print their links when they answer, and watch them.

    Raises:
        NothingToShowError: the folder holds no run.
        ProcessFailedError: a server ended by itself or never answered.
    """
    database = settings.registry.tracking_db
    if database is not None and not database.is_file():
        raise NothingToShowError(settings.var)
    with Supervisor(settings.var / "logs" / "ui") as supervisor:
        console.print(f"Starting the servers on {settings.var}")
        rooms = Services(supervisor, settings.features)
        services = start_servers(supervisor, settings, rooms)
        for service, page in services:
            service.wait_for_answer(page, _READY_SECONDS)
            console.print(f"  {service.name:<10} {service.url}{page}", highlight=False)
        console.print(f"Prefect asks for {rooms.orchestrator_password}", highlight=False)
        console.print("Ctrl-C ends them all.")
        watch([service for service, _ in services])


def start_servers(
    supervisor: Supervisor, settings: MonitoringSettings, rooms: Services
) -> list[tuple[Service, str]]:
    """Start all four at once; each with the page that shows it is ready."""
    return [
        (start_tracking_ui(supervisor, settings.registry, rooms), "/"),
        (start_report_ui(supervisor, settings, rooms), "/"),
        (rooms.start_service(), "/docs"),
        (rooms.start_orchestrator(), "/"),
    ]


def start_tracking_ui(supervisor: Supervisor, settings: RegistrySettings, rooms: Services) -> Service:
    """MLflow: experiments, runs, registered versions and their aliases."""
    options = [
        "--backend-store-uri",
        settings.tracking_uri,
        "--artifacts-destination",
        str(settings.artifact_root),
    ]
    command = ["mlflow", "server", "--workers", "1", *options]
    return _start(supervisor, "mlflow", command, 5000, rooms.environment)


def start_report_ui(supervisor: Supervisor, settings: MonitoringSettings, rooms: Services) -> Service:
    """Evidently: the drift and quality report of every window, to be read only: nobody is told the secret."""
    options = ["--workspace", str(settings.workspace)]
    environment = {**rooms.environment, "EVIDENTLY_SECRET": secrets.token_urlsafe(24)}
    return _start(supervisor, "evidently", ["evidently.cli", "ui", *options], 8020, environment)


def watch(services: Sequence[Service]) -> None:
    """Return never: raise as soon as one of them ends."""
    while True:
        for service in services:
            service.require_alive()
        time.sleep(_WATCH_SECONDS)


def _start(
    supervisor: Supervisor, name: str, command: list[str], preferred: int, environment: Mapping[str, str]
) -> Service:
    port = free_port(preferred)
    address = ["--host", "127.0.0.1", "--port", str(port)]
    return supervisor.start(
        name, [sys.executable, "-m", *command, *address], environment, f"http://127.0.0.1:{port}"
    )


if __name__ == "__main__":
    run_commands(lambda: typer.run(main))
