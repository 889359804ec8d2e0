"""The command line of the training room. Exit code 1: failed; 2: wrong usage; 3: the gate refused."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from contracts.bundle.errors import BundleError
from contracts.errors import ContractError
from contracts.problem import Problem, ProblemError, load_problem
from features.command_line import parse_moment
from features.errors import FeatureError
from training.settings import TrainingSettings

if TYPE_CHECKING:
    from contracts.promotion import HistoryEntry
    from training.outcome import TrainingOutcome

REFUSED = 3
EXPECTED_ERRORS = (ContractError, BundleError, FeatureError, ProblemError)

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Train, gate, register and promote models."
)

Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the registry's history.")]
AsOf = Annotated[str, typer.Option("--as-of", help="What was known by then is used: ISO 8601 with a zone.")]


@app.command()
def train(
    as_of: AsOf,
    reason: Reason = "asked for on the command line",
    shuffle_labels: Annotated[
        bool,
        typer.Option(help="Shuffle the labels that are learned from; the gate should refuse the result."),
    ] = False,
) -> None:
    """Train as of a moment; the challenger becomes champion when the gate accepts it.

    Runs as the Prefect flow "train" where PREFECT_API_URL is set, and as plain calls otherwise.
    """
    with reporting():
        outcome = _train(parse_moment(as_of), reason, shuffle_labels)
    typer.echo(describe_outcome(outcome))
    if not outcome.accepted:
        raise typer.Exit(REFUSED)


@app.command()
def promote(version: str, reason: Reason) -> None:
    """Make VERSION the champion, and the present champion the previous one."""
    from contracts.promotion import promote as promote_version
    from contracts.promotion import recover
    from contracts.registry import current

    with reporting():
        settings, problem = configuration()
        recover(settings.registry, problem.name)
        champion = current(settings.registry, problem.name)
        expected = None if champion is None else champion.version
        entry = promote_version(settings.registry, problem.name, version, reason, expected)
    typer.echo(describe_entry(entry))


@app.command()
def rollback(reason: Reason) -> None:
    """Make the previous version the champion again."""
    from contracts.promotion import rollback as roll_back

    with reporting():
        settings, problem = configuration()
        entry = roll_back(settings.registry, problem.name, reason)
    typer.echo(describe_entry(entry))


@app.command("list")
def list_models() -> None:
    """Show every version with its aliases and metrics, then the history of promotions."""
    from training.listing import list_registry

    with reporting():
        settings, problem = configuration()
        typer.echo(list_registry(settings.registry, problem))


@app.command("rank")
def rank_features(
    as_of: AsOf,
    windows: Annotated[
        int, typer.Option(min=1, help="Windows to judge on; the newest one is kept back to confirm on.")
    ] = 3,
    family: Annotated[str, typer.Option(help="The candidate that is fitted before each window.")] = "xgboost",
    repeats: Annotated[int, typer.Option(min=1, help="How often each feature is shuffled.")] = 2,
    rows: Annotated[
        int, typer.Option(min=1, help="Rows to learn from before the oldest window, about.")
    ] = 60_000,
) -> None:
    """Rank the features by what shuffling them costs, and say which could be dropped.

    Each window is judged by a model of what was known before it; random columns beside the features show
    what is chance. The ranking is logged to MLflow and compared with the last one there.
    """
    from training.ranking.run import RankingRequest, rank
    from training.ranking.table import show_ranking

    moment = parse_moment(as_of)
    with reporting():
        settings, problem = configuration()
        outcome = rank(settings, problem, RankingRequest(moment, windows, family, repeats, rows))
    typer.echo(show_ranking(outcome, problem.primary_metric))


@app.command()
def serve() -> None:
    """Serve the deployment "train/<problem>" until stopped; needs PREFECT_API_URL."""
    from training.deployment import serve_deployment

    with reporting():
        serve_deployment(configuration()[1])


def configuration() -> tuple[TrainingSettings, Problem]:
    """Read the settings and load the problem that they name."""
    settings = TrainingSettings()
    return settings, load_problem(settings.problem)


def describe_outcome(outcome: "TrainingOutcome") -> str:
    """Say what became of a training, a line per reason."""
    verdict = "refused, the champion stays"
    if outcome.accepted:
        became = (
            "it is the champion now" if outcome.promoted else "it waits for `python -m inference rollout`"
        )
        verdict = f"accepted, {became}"
    head = f"{outcome.problem} version {outcome.version} ({outcome.family}): {verdict}"
    left_out = (f"{family} is left out: {reason}" for family, reason in outcome.left_out.items())
    return "\n".join([head, *(f"  {reason}" for reason in (*outcome.reasons, *left_out))])


def describe_entry(entry: "HistoryEntry") -> str:
    """Say what a promotion or rollback did."""
    moved = f"version {entry.from_version} → version {entry.to_version}"
    return f"champion: {moved} ({entry.action}: {entry.reason})"


@contextmanager
def reporting() -> Iterator[None]:
    """Turn the rooms' errors into a message and exit code 1."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("training").setLevel(logging.INFO)
    try:
        yield
    except EXPECTED_ERRORS as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        raise typer.Exit(1) from error


def _train(as_of: datetime, reason: str, shuffle_labels: bool) -> "TrainingOutcome":
    from training.orchestrator import find_orchestrator

    if find_orchestrator():
        from training.flow import train_flow

        return train_flow(as_of=as_of, reason=reason, shuffle_labels=shuffle_labels)
    from training.outcome import TrainingRequest
    from training.pipeline import train as train_plainly

    settings, problem = configuration()
    request = TrainingRequest(as_of=as_of, reason=reason, shuffle_labels=shuffle_labels)
    return train_plainly(settings, problem, request)
