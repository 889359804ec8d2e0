"""The replay from an empty folder to its page: build, start everything, train, relive, score, show."""

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.console import Console

from experiments.processes import Service, Supervisor
from experiments.replay.loop import Loop
from experiments.replay.plan import Plan, make_plan
from experiments.replay.progress import ReplayProgress
from experiments.replay.record import Record
from experiments.replay.scores import MonthScore, running_base_rate, score_months
from experiments.replay.services import Services
from experiments.replay.traffic import PredictionClient
from experiments.replay.waiting import wait_for_flow_run, wait_for_version
from experiments.replay.world import start_clean
from experiments.settings import ReplaySettings
from features.contract import read_examples, read_labels
from training.problem import Problem, load_problem

BEGINNING = pd.Timestamp("1900-01-01", tz="UTC")
END = pd.Timestamp("2200-01-01", tz="UTC")


@dataclass(frozen=True)
class Running:
    """The processes of the loop."""

    trainer: Service
    service: Service
    monitor: Service


def run_replay(settings: ReplaySettings, console: Console) -> Path:
    """Relive the year in `settings.var` and return the folder of its results.

    Raises:
        ExperimentError: a process failed, or the loop did something that must not happen.
    """
    problem = load_problem(settings.problem)
    start_clean(settings.var)
    results = settings.var / "replay"
    with Supervisor(settings.var / "logs") as supervisor, ReplayProgress(console) as progress:
        services = Services(supervisor, settings.var)
        os.environ.update(services.environment)
        running = _start(services, settings, progress)
        plan, examples = _prepare(settings, problem, progress)
        _train_first(problem, plan, running, progress)
        record = _relive(settings, problem, plan, examples, running, progress)
        progress.step("Scoring")
        frozen = _frozen_predictions(settings, problem, examples)
    record.write(results)
    scored = score_frame_of(settings, problem, plan, examples.assign(frozen=frozen), record)
    scored.to_parquet(results / "scored.parquet", index=False)
    _show(console, problem, scored, score_months(problem, scored, settings.replay_seed), record, results)
    return results


def _start(services: Services, settings: ReplaySettings, progress: ReplayProgress) -> Running:
    """Build the feature tables while the orchestrator starts, then start all that needs them."""
    progress.step("Building the feature tables from the raw files")
    build = services.build_features(settings.replay_start, settings.replay_end)
    orchestrator = services.start_orchestrator()
    services.wait_for(build)
    services.apply_features()
    progress.step("Starting the orchestrator, the training runner, the service and the monitor")
    orchestrator.wait_for_answer("/api/health")
    return Running(services.start_trainer(), services.start_service(), services.start_monitor())


def _prepare(
    settings: ReplaySettings, problem: Problem, progress: ReplayProgress
) -> tuple[Plan, pd.DataFrame]:
    """Draw the plan, then retrieve the features of every example that it relives, point-in-time."""
    from features.historical import historical_features
    from features.store import open_store

    examples = read_examples(settings.tables, BEGINNING, END)
    plan = make_plan(
        examples["event_timestamp"],
        settings.replay_warm_up,
        settings.replay_seed,
        settings.replay_hours_per_stratum,
        settings.replay_weeks,
    )
    relived = examples["event_timestamp"].between(plan.first_training, plan.weeks[-1].end, inclusive="left")
    share = plan.online(examples["event_timestamp"]).sum() / len(examples)
    progress.note(
        f"{relived.sum():,} {problem.unit} in {len(plan.weeks)} weeks; "
        f"{share:.1%} of all are drawn to be served online"
    )
    progress.step("Retrieving point-in-time features for the bulk")
    store = open_store(settings)
    return plan, historical_features(store, problem.feature_service, examples[relived].reset_index(drop=True))


def _train_first(problem: Problem, plan: Plan, running: Running, progress: ReplayProgress) -> None:
    """Train the first champion through the deployment, and wait until the service answers with it."""
    from monitoring.ml.trigger import request_training

    progress.step(f"Training the first champion on everything known by {plan.first_training:%Y-%m-%d}")
    running.trainer.wait_until(lambda: deployment_is_served(problem), seconds=90)
    flow_run_id = request_training(problem, plan.first_training.to_pydatetime(), "first champion")
    wait_for_flow_run(flow_run_id, running.trainer.require_alive)
    running.service.wait_for_answer("/health/ready")
    running.monitor.wait_for_answer("/health/live")
    client = PredictionClient(running.service.url)
    wait_for_version(client, "1")
    client.close()


def deployment_is_served(problem: Problem) -> bool:
    """Whether the orchestrator knows the training deployment."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        try:
            client.read_deployment_by_name(f"train/{problem.name}")
        except ObjectNotFound:
            return False
    return True


def _relive(
    settings: ReplaySettings,
    problem: Problem,
    plan: Plan,
    examples: pd.DataFrame,
    running: Running,
    progress: ReplayProgress,
) -> Record:
    progress.step("Reliving the year")
    progress.start_examples(len(examples))
    loop = Loop(
        settings=settings,
        problem=problem,
        plan=plan,
        examples=examples,
        service=running.service,
        monitor=running.monitor,
        trainer=running.trainer,
        record=Record(),
        progress=progress,
    )
    return loop.relive()


def _frozen_predictions(settings: ReplaySettings, problem: Problem, examples: pd.DataFrame) -> pd.Series:
    """What the first champion would have answered to every example."""
    from inference.batch import score_frame
    from training.bundle.reader import read_bundle
    from training.registry import fetch_bundle, version_ref

    bundle = read_bundle(fetch_bundle(settings, version_ref(settings, problem.name, "1")))
    return pd.Series(score_frame(bundle, examples), index=examples.index)


def score_frame_of(
    settings: ReplaySettings, problem: Problem, plan: Plan, examples: pd.DataFrame, record: Record
) -> pd.DataFrame:
    """One row per labelled example, with all that `score_months` and the chart need."""
    labels = read_labels(settings.tables, problem.label, END.to_pydatetime())
    starts = pd.Series([week.start for week in plan.weeks])
    base_rates = running_base_rate(labels, problem.label.name, starts)
    scored = examples[["example_id", "event_timestamp", *problem.slices, "frozen"]]
    scored = scored.merge(record.all_predictions(), on="example_id", validate="one_to_one")
    known = labels[["example_id", problem.label.name]].rename(columns={problem.label.name: "label"})
    scored = scored.merge(known, on="example_id", validate="one_to_one")
    position = starts.searchsorted(scored["event_timestamp"], side="right") - 1
    scored["week_start"] = starts.iloc[position].to_numpy()
    scored["base_rate"] = scored["week_start"].map(base_rates)
    return scored.sort_values(["event_timestamp", "example_id"], ignore_index=True)


def _show(
    console: Console,
    problem: Problem,
    scored: pd.DataFrame,
    months: list[MonthScore],
    record: Record,
    results: Path,
) -> None:
    from experiments.replay.chart import draw_chart
    from experiments.replay.console import print_report
    from experiments.replay.page import write_page

    chart, page = results / "replay.png", results / "replay.html"
    draw_chart(chart, problem, scored, months, record)
    write_page(page, problem, months, record, chart)
    print_report(console, problem, months, record)
    console.print(f"\nChart: {chart}\nPage:  {page}")
    console.print("MLflow, Prefect, the Evidently reports and the API docs of this run: [bold]make ui[/bold]")
