"""Opening the loop: build, start every process, train the first champion, and hand over what runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectNotFound

from contracts.deployment_name import deployment_name
from contracts.problem import Problem, load_problem
from experiments.processes import Service, Supervisor
from experiments.replay.loop import FIRST_VERSION, Loop
from experiments.replay.plan import Plan, make_plan
from experiments.replay.progress import ReplayProgress
from experiments.replay.record import Record
from experiments.replay.services import Services, talking_to
from experiments.replay.traffic import PredictionClient
from experiments.replay.waiting import wait_for_flow_run, wait_for_version
from experiments.replay.world import start_clean
from experiments.settings import ReplaySettings
from features.contract import read_examples
from features.offline.historical import historical_features
from features.online.feed import OnlineFeed
from features.repository.feature_store import open_store
from features.timestamps import BEGINNING
from monitoring.ml.decisions.trigger import request_training

END = pd.Timestamp("2200-01-01", tz="UTC")


@dataclass(frozen=True)
class Running:
    """The processes of the loop."""

    trainer: Service
    service: Service
    monitor: Service


@contextmanager
def open_loop(settings: ReplaySettings, progress: ReplayProgress) -> Iterator[Loop]:
    """The whole loop running in `settings.var`, its first champion answering; everything stops on exit.

    Raises:
        ExperimentError: a process failed, or the first champion did not come to answer.
    """
    problem = load_problem(settings.problem)
    start_clean(settings.var)
    with Supervisor(settings.var / "logs") as supervisor:
        services = Services(supervisor, settings.features)
        with talking_to(services.environment):
            running = _start(services, settings, progress)
            plan, examples = _prepare(settings, problem, progress)
            _train_first(problem, plan, running, progress)
            yield Loop(
                settings=settings,
                problem=problem,
                plan=plan,
                examples=examples,
                feed=_prepare_feed(settings, problem, plan, examples),
                service=running.service,
                monitor=running.monitor,
                trainer=running.trainer,
                record=Record(),
                progress=progress,
            )


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
    examples = read_examples(settings.features.tables, BEGINNING, END.to_pydatetime())
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
    store = open_store(settings.features)
    frame = historical_features(store, problem.feature_service, examples[relived].reset_index(drop=True))
    return plan, frame


def _prepare_feed(
    settings: ReplaySettings, problem: Problem, plan: Plan, examples: pd.DataFrame
) -> OnlineFeed:
    """Find, for every example that is served online, the rows that were known at its instant."""
    online = examples[plan.online(examples["event_timestamp"])]
    return OnlineFeed(settings.features, problem.feature_service, online)


def _train_first(problem: Problem, plan: Plan, running: Running, progress: ReplayProgress) -> None:
    """Train the first champion through the deployment, and wait until the service answers with it."""
    progress.step(f"Training the first champion on everything known by {plan.first_training:%Y-%m-%d}")
    with get_client(sync_client=True) as orchestrator:
        running.trainer.wait_until(lambda: deployment_is_served(orchestrator, problem), seconds=90)
    as_of = plan.first_training.to_pydatetime()
    flow_run_id = request_training(problem, as_of, "first champion", key="first champion")
    wait_for_flow_run(flow_run_id, running.trainer.require_alive)
    running.service.wait_for_answer("/health/ready")
    running.monitor.wait_for_answer("/health/live")
    client = PredictionClient(running.service.url)
    wait_for_version(client, FIRST_VERSION)
    client.close()


def deployment_is_served(orchestrator: SyncPrefectClient, problem: Problem) -> bool:
    """Whether the orchestrator knows the training deployment."""
    try:
        orchestrator.read_deployment_by_name(deployment_name(problem.name))
    except ObjectNotFound:
        return False
    return True
