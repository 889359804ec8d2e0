"""The monitoring room's commands: serve the monitor, evaluate a window, write its reports, compare weeks."""

import sys
from datetime import datetime
from typing import Annotated, NoReturn

import typer
from pydantic import AwareDatetime, TypeAdapter, ValidationError

from contracts.problem import ProblemError, load_problem
from features.command_line import run_commands
from monitoring.ml.monitor import Monitor
from monitoring.ml.server.app import KNOWN_ERRORS
from monitoring.ml.settings import MonitoringSettings

app = typer.Typer(help="Watch the served model and ask for retraining when it drifts.", no_args_is_help=True)
AsOf = Annotated[str, typer.Option(help="End of the window, ISO 8601 with a zone.")]


@app.command(name="serve")
def serve_command(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
) -> None:
    """Run the long-lived monitor: HTTP API, reports in the background, figures for Prometheus."""
    from inference.access.errors import AccessConfigurationError
    from inference.errors import PortTakenError
    from monitoring.ml.server.server import serve

    given = {"monitor_host": host, "monitor_port": port}
    settings = MonitoringSettings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    load_problem(settings.problem)  # what is wrong with it is said before the port opens
    try:
        serve(settings)
    except (AccessConfigurationError, PortTakenError) as error:
        _fail(error)


@app.command(name="evaluate")
def evaluate_command(as_of: AsOf) -> None:
    """Decide on the window that ends at `as-of`, print the decision, and write its reports."""
    monitor = Monitor(MonitoringSettings())
    try:
        decision = monitor.evaluate(_parse(as_of))
    except KNOWN_ERRORS as error:
        _fail(error)
    finally:
        monitor.close()
    typer.echo(decision.model_dump_json(indent=2))


@app.command(name="report")
def report_command(as_of: AsOf) -> None:
    """Write the reports of the window that ends at `as-of` again, as HTML too."""
    monitor = Monitor(MonitoringSettings())
    try:
        paths = monitor.write_reports(_parse(as_of))
    except KNOWN_ERRORS as error:
        _fail(error)
    finally:
        monitor.close()
    for path in paths:
        typer.echo(path)


@app.command(name="feature-drift")
def feature_drift_command(
    start: Annotated[str, typer.Option(help="First week's start, ISO 8601 with a zone.")],
    end: Annotated[str, typer.Option(help="End of the period; only whole weeks are compared.")],
    reference_weeks: Annotated[int, typer.Option(min=1, help="Weeks before each that it is held to.")] = 4,
    rows: Annotated[int, typer.Option(min=100, help="Examples looked at per week, at most.")] = 1_000,
) -> None:
    """Print how each feature moved from week to week, worst first; write history and heat map."""
    from monitoring.ml.drift.feature_drift import measure_weekly_drift
    from monitoring.ml.drift.feature_drift_report import show_weekly_drift, write_weekly_drift

    settings, first, last = MonitoringSettings(), _parse(start), _parse(end)
    try:
        problem = load_problem(settings.problem)
        drift = measure_weekly_drift(settings.features, problem, first, last, reference_weeks, rows)
        paths = write_weekly_drift(drift, settings.feature_drift_dir)
    except KNOWN_ERRORS as error:
        _fail(error)
    typer.echo(show_weekly_drift(drift))
    for path in paths:
        typer.echo(path)


def _parse(as_of: str) -> datetime:
    try:
        return TypeAdapter(AwareDatetime).validate_python(as_of)
    except ValidationError as error:
        raise typer.BadParameter(
            f"{as_of!r} is not an instant with a zone, like 2024-05-06T00:00Z"
        ) from error


def _fail(error: Exception) -> NoReturn:
    typer.echo(f"error: {error}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    run_commands(app, ProblemError)
