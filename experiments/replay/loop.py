"""The year week by week: serve, score in bulk, evaluate, and retrain when monitoring asks for it."""

import time
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import pandas as pd

from contracts.bundle.reader import Bundle, read_bundle
from contracts.problem import Problem
from contracts.registry import ModelVersionRef, current, fetch_bundle, version_of_flow_run, version_ref
from experiments.errors import ReplayError
from experiments.processes import Service
from experiments.replay.plan import Plan, Week
from experiments.replay.progress import ReplayProgress
from experiments.replay.record import Record, Retraining, WeekRecord
from experiments.replay.traffic import ContinuousClient, Moment, PredictionClient, moments
from experiments.replay.waiting import wait_for_flow_run, wait_for_version
from experiments.settings import ReplaySettings
from features.online.feed import OnlineFeed
from inference.batch.frames import log_scored, score_frame

FIRST_VERSION = "1"


@dataclass(frozen=True)
class Loop:
    """Everything the weeks need: the plan, the examples with their features, and the running processes.

    `examples` has one row per relived example with its point-in-time features, by event_timestamp.
    """

    settings: ReplaySettings
    problem: Problem
    plan: Plan
    examples: pd.DataFrame
    feed: OnlineFeed
    service: Service
    monitor: Service
    trainer: Service
    record: Record
    progress: ReplayProgress

    def relive(self) -> Record:
        """Relive every week of the plan."""
        client = PredictionClient(self.service.url)
        for week in self.plan.weeks:
            self._relive_week(week, client)
        client.close()
        return self.record

    def _relive_week(self, week: Week, client: PredictionClient) -> None:
        within = (self.examples["event_timestamp"] >= week.start) & (
            self.examples["event_timestamp"] < week.end
        )
        examples = self.examples[within]
        online = self.plan.online(examples["event_timestamp"])
        version = _require_version(client)
        self.progress.describe(
            f"week {week.number} of {len(self.plan.weeks)}, to {week.end:%Y-%m-%d}, champion v{version}"
        )
        self._score_in_bulk(examples[~online], version)
        last = self._serve(examples[online], client)
        self._evaluate(week, version, last)

    def _score_in_bulk(self, examples: pd.DataFrame, version: str) -> None:
        bundle = self._bundle(version)
        predictions = score_frame(bundle, examples)
        log_scored(self.settings.inference, self.problem, bundle, examples, predictions, version)
        self.record.add_bulk(examples["example_id"], predictions, version)
        self.progress.advance(len(examples))

    def _serve(self, examples: pd.DataFrame, client: PredictionClient) -> Moment | None:
        """Serve each instant over HTTP, the online store holding exactly what was known then."""
        moment = None
        for moment in moments(self.problem, examples):
            self.feed.advance(moment.as_of)
            self.record.add_answers(client.predict(moment.instances))
            self.progress.advance(len(moment.instances))
        return moment

    def _evaluate(self, week: Week, champion: str, last: Moment | None) -> None:
        decision = ask_monitor(self.monitor, week.end)
        self.record.weeks.append(_week_record(week, decision, champion))
        if decision["flow_run_id"] is not None:
            reason = "; ".join(decision["reasons"])
            self.record.retrainings.append(
                self._follow_training(week, decision["flow_run_id"], reason, champion, last)
            )

    def _follow_training(
        self, week: Week, flow_run_id: str, reason: str, champion: str, moment: Moment | None
    ) -> Retraining:
        """Wait for a training run while a client keeps asking, until its champion answers."""
        if moment is None:
            raise ReplayError(
                f"week {week.number} served nothing online; there is no request to keep sending"
            )
        started = time.monotonic()
        watcher = PredictionClient(self.service.url)
        with ContinuousClient(self.service.url, moment) as continuous:
            wait_for_flow_run(flow_run_id, self.trainer.require_alive)
            now = self._champion()
            wait_for_version(watcher, now.version)
            _wait_until_seen(continuous, now.version)
        watcher.close()
        trained = self.trained_by(flow_run_id)
        return Retraining(
            as_of=week.end.to_pydatetime(),
            reason=reason,
            accepted=now.version != champion,
            version=trained.version,
            champion=now.version,
            gate=trained.tags["gate"],
            gate_reasons=tuple(trained.tags["gate_reasons"].splitlines()),
            seconds=time.monotonic() - started,
            requests_sent=continuous.sent,
            requests_failed=continuous.failed,
        )

    def score_frozen(self) -> npt.NDArray[np.float64]:
        """What the first champion would have answered to every example, shape (N,)."""
        first = version_ref(self.settings.registry, self.problem.name, FIRST_VERSION)
        return score_frame(read_bundle(fetch_bundle(self.settings.registry, first)), self.examples)

    def trained_by(self, flow_run_id: str) -> ModelVersionRef:
        """The version that a run of the training deployment registered."""
        version = version_of_flow_run(self.settings.registry, self.problem.name, flow_run_id)
        if version is None:
            raise ReplayError(f"training run {flow_run_id} registered no version; see {self.trainer.log}")
        return version

    def _champion(self) -> ModelVersionRef:
        champion = current(self.settings.registry, self.problem.name)
        if champion is None:
            raise ReplayError(f"the registry has no champion for {self.problem.name}")
        return champion

    def _bundle(self, version: str) -> Bundle:
        champion = self._champion()
        if champion.version != version:
            raise ReplayError(f"version {version} answers but the champion is version {champion.version}")
        return read_bundle(fetch_bundle(self.settings.registry, champion))


def ask_monitor(monitor: Service, as_of: pd.Timestamp) -> dict[str, Any]:
    """Have the monitor evaluate the window that ends at `as_of`; returns its decision."""
    response = httpx.post(f"{monitor.url}/v1/evaluate", json={"as_of": as_of.isoformat()}, timeout=120.0)
    if response.status_code != 200:
        raise ReplayError(
            f"the monitor answered {response.status_code}: {response.text[:500]}; see {monitor.log}"
        )
    return dict(response.json())


def _require_version(client: PredictionClient) -> str:
    version = client.served_version()
    if version is None:
        raise ReplayError("the service serves no model")
    return version


def _wait_until_seen(continuous: ContinuousClient, version: str, seconds: float = 10.0) -> None:
    """Wait until the continuous client itself has been answered by `version`."""
    deadline = time.monotonic() + seconds
    while version not in continuous.versions:
        if time.monotonic() > deadline:
            raise ReplayError(
                f"no answer came from version {version} within {seconds:.0f} s of the alias move"
            )
        time.sleep(0.05)


def _week_record(week: Week, decision: dict[str, Any], champion: str) -> WeekRecord:
    return WeekRecord(
        number=week.number,
        start=week.start.to_pydatetime(),
        end=week.end.to_pydatetime(),
        verdict=decision["verdict"],
        reasons=tuple(decision["reasons"]),
        drifting=tuple(signal["name"] for signal in decision["signals"] if signal["drifting"]),
        champion=champion,
    )
