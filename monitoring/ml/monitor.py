"""One evaluation from end to end: observe, decide, record, trigger, report; each window once."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from uuid import uuid4

from filelock import FileLock

from contracts.problem import Problem, load_problem
from features.timestamps import EPOCH
from monitoring.ml.decisions.policy import Verdict, decide
from monitoring.ml.decisions.record import Decision, DecisionLog
from monitoring.ml.decisions.trigger import request_training
from monitoring.ml.errors import TriggerError, WindowNotEndedError, WindowOutOfRangeError
from monitoring.ml.observation import Observation, observe
from monitoring.ml.reports.rendering import ReportWriter
from monitoring.ml.reports.report_queue import ReportQueue
from monitoring.ml.settings import MonitoringSettings
from monitoring.ml.windows.champion import ChampionReference


class Monitor:
    """Evaluates windows one at a time, also across processes that share `var`."""

    def __init__(self, settings: MonitoringSettings) -> None:
        self.settings = settings
        self.problem: Problem = load_problem(settings.problem)
        self.decisions = DecisionLog(settings.decisions_file)
        self.reports = ReportQueue(settings.report_queue)
        self._champion = ChampionReference(settings, self.problem)
        self._writer = ReportWriter(settings, self.problem)
        self._lock = Lock()

    def evaluate(self, as_of: datetime) -> Decision:
        """Decide on the window that ends at `as_of` (UTC), or return what was decided before.

        Requests that could not be made before are made first. The decision is on the disk before its training
        run is asked for, and the run is named by the decision: a crash between the two loses and doubles
        nothing.

        Raises:
            WindowError: it has not ended, or lies out of range.
            MonitoringError, ContractError, BundleError, PredictionLogError, FeatureError: undecided.
        """
        end = require_ended(as_of, datetime.now(UTC))
        with self._exclusively():
            self._make_open_requests()
            return self.decisions.find(end) or self._decide(end)

    def write_reports(self, as_of: datetime) -> list[Path]:
        """Write the reports of a decided window again, with HTML; the decision stays as it is.

        They compare with the version that is champion now.
        """
        decision = self.evaluate(as_of)
        observation = observe(self.settings, self.problem, self._champion.current(), decision.window_end)
        return self._writer.write(decision, observation, html=True)

    def close(self) -> None:
        """Finish the reports that wait."""
        self.reports.close()

    def _decide(self, end: datetime) -> Decision:
        observation = observe(self.settings, self.problem, self._champion.current(), end)
        past = [decision.as_past() for decision in self.decisions.read() if decision.window_end < end]
        sample = observation.coverage.sample
        verdict = decide(end, sample, observation.signals, past, self.problem.drift)
        decision = make_decision(self.problem, observation, verdict)
        self.decisions.append(decision)
        decision = self._request(decision) if decision.is_open else decision
        html = decision.verdict == "retrain"
        self.reports.submit(lambda: self._writer.write(decision, observation, html))
        return decision

    def _make_open_requests(self) -> None:
        for decision in self.decisions.read():
            if decision.is_open:
                self._request(decision)

    def _request(self, decision: Decision) -> Decision:
        """Ask for the decision's training run and record the outcome."""
        try:
            run = request_training(
                self.problem, decision.as_of, "; ".join(decision.reasons), str(decision.decision_id)
            )
            update = {"flow_run_id": run, "trigger_error": None}
        except TriggerError as error:
            update = {"trigger_error": str(error)}
        outcome = decision.model_copy(update=update)
        if outcome != decision:
            self.decisions.append(outcome)
        return outcome

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        self.settings.monitoring_dir.mkdir(parents=True, exist_ok=True)
        with self._lock, FileLock(self.settings.monitoring_dir / "evaluate.lock"):
            yield


def require_ended(as_of: datetime, now: datetime) -> datetime:
    """The end (UTC) of a window that can be decided on.

    Raises:
        WindowNotEndedError: it ends after `now`.
        WindowOutOfRangeError: it ends before 1970.
    """
    if as_of > now:
        raise WindowNotEndedError(as_of, now)
    if as_of < EPOCH:
        raise WindowOutOfRangeError(as_of)
    return as_of.astimezone(UTC)


def make_decision(problem: Problem, observation: Observation, verdict: Verdict) -> Decision:
    """Put an observation and the policy's verdict on it into one record."""
    quality, coverage, reports = observation.quality, observation.coverage, observation.reports
    return Decision(
        decision_id=uuid4(),
        problem=problem.name,
        champion=observation.champion,
        window_start=observation.window.start,
        window_end=observation.window.end,
        as_of=observation.window.end,
        sample=coverage.sample,
        labelled=coverage.labelled,
        labelled_share=coverage.labelled_share,
        overdue_share=coverage.overdue_share,
        evaluated=0 if quality is None else quality.labelled,
        signals=observation.signals,
        feature_psi={} if reports is None else reports.verdict.feature_psi,
        metrics={} if quality is None else quality.metrics,
        drifting=verdict.drifting,
        verdict=verdict.name,
        reasons=verdict.reasons,
    )
