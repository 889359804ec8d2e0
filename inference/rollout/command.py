"""`python -m inference rollout`: start a rollout, show it, judge it, abort it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated

import typer

from contracts.bundle.errors import BundleError
from contracts.errors import ContractError
from contracts.problem import Problem, ProblemError, load_problem
from features.command_line import parse_moment
from inference.prediction_log.errors import PredictionLogError
from inference.rollout.errors import RolloutError
from inference.rollout.split import REQUEST_ID, Mode
from inference.settings import InferenceSettings

app = typer.Typer(help="Roll a version out beside the champion, judged by itself.", no_args_is_help=True)

KNOWN_ERRORS = (RolloutError, ContractError, BundleError, PredictionLogError, ProblemError)
AsOf = Annotated[str | None, typer.Option(help="Use what was known then; ISO 8601 with a zone, for replay.")]


@app.command(name="start")
def start_command(
    version: Annotated[str, typer.Argument(help="The registered version that challenges the champion.")],
    mode: Annotated[Mode, typer.Option(help="Score unseen, answer a growing share, or answer a fixed one.")],
    step: Annotated[list[str] | None, typer.Option(help="canary: share:labels, once for each step.")] = None,
    share: Annotated[float | None, typer.Option(help="ab: the challenger's share.")] = None,
    key: Annotated[
        str, typer.Option(help="What sticks to one model: an entity key, or request_id.")
    ] = REQUEST_ID,
    field: Annotated[
        list[str] | None, typer.Option("--set", help="Another policy field: name=value.")
    ] = None,
    expected_champion: Annotated[str | None, typer.Option(help="Refuse where another is champion.")] = None,
    reason: Annotated[str, typer.Option(help="Why; kept in the registry.")] = "asked for by hand",
) -> None:
    """Let a version run against the champion; `judge` does the rest."""
    from inference.rollout.actions import start
    from inference.rollout.defaults import draft_policy, parse_fields, parse_steps
    from inference.rollout.description import show_rollout

    with _reporting():
        settings, problem = _configuration()
        chosen = {"steps": parse_steps(step or ()), "share": share, "key": key, **parse_fields(field or ())}
        policy = draft_policy(settings.registry, problem, mode, **chosen)
        rollout = start(settings.registry, problem.name, version, policy, reason, expected_champion)
    typer.echo(show_rollout(problem.name, rollout))


@app.command(name="show")
def show_command(as_of: AsOf = None) -> None:
    """Show the rollout under way with what its evidence says, then every decision so far."""
    from inference.rollout.actions import history
    from inference.rollout.description import show_history, show_look
    from inference.rollout.judge import look

    with _reporting():
        settings, problem = _configuration()
        seen = look(settings, problem, _moment(as_of))
        entries = history(settings.registry, problem.name)
    typer.echo("no rollout is under way" if seen is None else show_look(problem.name, seen))
    typer.echo(show_history(entries))


@app.command(name="judge")
def judge_command(
    once: Annotated[bool, typer.Option("--once", help="Look once, act on it, and end.")] = False,
    forever: Annotated[
        bool, typer.Option("--forever", help="Wait for accepted versions and roll them out.")
    ] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between looks.")] = 30.0,
    as_of: AsOf = None,
) -> None:
    """Watch the rollout under way; advance it, promote it, stop it or roll it back, until it is over."""
    from inference.rollout.description import show_entry, show_look
    from inference.rollout.judge import act, look, watch

    with _reporting():
        settings, problem = _configuration()
        if once or as_of is not None:
            seen = look(settings, problem, _moment(as_of))
            done = None if seen is None else act(settings.registry, problem, seen)
            typer.echo("no rollout is under way" if seen is None else show_look(problem.name, seen))
            if done is not None:
                typer.echo(show_entry(done))
            return
        for _seen, decided in watch(settings, problem, every, forever):
            if decided is not None:
                typer.echo(show_entry(decided))
    typer.echo("no rollout is under way")


@app.command(name="abort")
def abort_command(reason: Annotated[str, typer.Option(help="Why; kept in the registry.")]) -> None:
    """End the rollout under way; the champion stays."""
    from inference.rollout.actions import end, under_way
    from inference.rollout.description import show_entry
    from inference.rollout.errors import NoRolloutError

    with _reporting():
        settings, problem = _configuration()
        rollout = under_way(settings.registry, problem.name)
        if rollout is None:
            raise NoRolloutError(f"no rollout of {problem.name} is under way; there is nothing to abort")
        entry = end(settings.registry, problem.name, rollout, "abort", reason)
    typer.echo(show_entry(entry))


def _configuration() -> tuple[InferenceSettings, Problem]:
    settings = InferenceSettings()
    return settings, load_problem(settings.problem)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else parse_moment(text)


@contextmanager
def _reporting() -> Iterator[None]:
    """Turn the rooms' errors into a message and exit code 1."""
    try:
        yield
    except KNOWN_ERRORS as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
