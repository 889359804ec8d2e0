"""The whole loop over real HTTP on a shrunken year: from a shift to the server that answers anew."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from markupsafe import escape
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from rich.console import Console

from experiments.replay.console import WIDTH
from experiments.replay.loop import Loop
from experiments.replay.opening import open_loop
from experiments.replay.progress import ReplayProgress
from experiments.replay.record import Record, Retraining
from experiments.replay.run import score_frame_of, show_results
from experiments.replay.traffic import Moment, PredictionClient, moments
from experiments.replay.waiting import wait_for_flow_run, wait_for_version
from experiments.settings import ReplaySettings
from inference.prediction_log.reader import read_predictions
from monitoring.ml.decisions import Decision, DecisionLog
from monitoring.ml.trigger import deployment_name
from monitoring.ml.workspace import ReportWorkspace
from tests.flight_delay.shrunken_year import PROBLEM, WARM_UP, write_shifted_raw
from training.registry import ModelVersionRef, current

pytestmark = pytest.mark.timeout(900)

REPORTS_A_WEEK = 3


@dataclass(frozen=True)
class Lived:
    """Everything that was done to one running loop, in order, and what each step left."""

    loop: Loop
    record: Record
    shuffled: ModelVersionRef
    champion_after_shuffled: str
    served_after_shuffled: str
    served_after_rollback: set[str]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> ReplaySettings:
    folder = tmp_path_factory.mktemp("loop")
    return ReplaySettings(
        var=folder / "var",
        raw_dir=write_shifted_raw(folder / "raw"),
        problem="tests.flight_delay.shrunken_year:PROBLEM",
        replay=True,
        replay_warm_up=WARM_UP,
    )


@pytest.fixture(scope="module")
def lived(settings: ReplaySettings) -> Iterator[Lived]:
    """The loop relived; then a training on shuffled labels; then a rollback. All on the same processes."""
    with ReplayProgress(Console()) as progress, open_loop(settings, progress) as loop:
        record = loop.relive()
        client = PredictionClient(loop.service.url)
        shuffled = train_on_shuffled_labels(loop)
        champion, served = champion_version(settings), str(client.served_version())
        roll_back(settings)
        wait_for_version(client, "1")
        answers = client.predict(last_moment(loop).instances)
        client.close()
        yield Lived(loop, record, shuffled, champion, served, {answer.version for answer in answers})


def train_on_shuffled_labels(loop: Loop) -> ModelVersionRef:
    parameters = {
        "as_of": loop.plan.weeks[-1].end.isoformat(),
        "reason": "shuffled on purpose",
        "shuffle_labels": True,
    }
    run = run_deployment(deployment_name(PROBLEM.name), parameters=parameters, timeout=0, as_subflow=False)
    assert isinstance(run, FlowRun)
    wait_for_flow_run(str(run.id), loop.trainer.require_alive)
    return loop.trained_by(str(run.id))


def champion_version(settings: ReplaySettings) -> str:
    champion = current(settings, PROBLEM.name)
    assert champion is not None
    return champion.version


def roll_back(settings: ReplaySettings) -> None:
    environment = {**os.environ, "ROUNDTRIP_VAR": str(settings.var), "ROUNDTRIP_PROBLEM": settings.problem}
    command = [sys.executable, "-m", "training", "rollback", "--reason", "complaints"]
    subprocess.run(command, env=environment | {"PYTHONPATH": os.pathsep.join(sys.path)}, check=True)


def last_moment(loop: Loop) -> Moment:
    *_, last = moments(PROBLEM, loop.examples[loop.plan.online(loop.examples["event_timestamp"])].tail(50))
    return Moment(last.as_of, [{**instance, "request_id": None} for instance in last.instances])


def decisions(lived: Lived) -> list[Decision]:
    return DecisionLog(lived.loop.settings.decisions_file).read()


def only_retraining(lived: Lived) -> Retraining:
    (retraining,) = lived.record.retrainings
    return retraining


def test_the_policy_waits_for_a_second_drifting_week_before_it_retrains(lived: Lived) -> None:
    assert [week.verdict for week in lived.record.weeks[:2]] == ["drifting", "retrain"]
    assert all(week.reasons for week in lived.record.weeks)


def test_the_decision_names_what_shifted(lived: Lived) -> None:
    assert "calibration_gap" in lived.record.weeks[1].drifting


def test_labels_were_still_coming_when_it_was_taken(lived: Lived) -> None:
    for decision in decisions(lived):
        assert 0 < decision.labelled < decision.sample


def test_the_retrained_model_passed_the_gate_and_no_request_failed_on_the_way(lived: Lived) -> None:
    retraining = only_retraining(lived)

    assert retraining.accepted
    assert retraining.requests_sent > 0
    assert retraining.requests_failed == 0


def test_the_running_server_answered_with_the_new_version_from_the_next_week_on(lived: Lived) -> None:
    predictions = lived.record.all_predictions().merge(lived.loop.examples[["example_id", "event_timestamp"]])
    online = predictions[predictions["online"]]
    retrained = pd.Timestamp(only_retraining(lived).as_of)
    before, after = (
        online[online["event_timestamp"] < retrained],
        online[online["event_timestamp"] >= retrained],
    )

    assert set(before["version"]) == {"1"}
    assert set(after["version"]) == {"2"}


def test_the_new_version_is_better_than_the_frozen_one_on_the_same_flights(lived: Lived) -> None:
    scored = score_frame_of(lived.loop, lived.record)
    fresh = scored[scored["event_timestamp"] >= pd.Timestamp(only_retraining(lived).as_of)]

    served, frozen = ((fresh[who] - fresh["label"]).pow(2).mean() for who in ("prediction", "frozen"))
    assert served < frozen


def test_every_answer_is_in_the_log_once(lived: Lived) -> None:
    weeks = lived.loop.plan.weeks
    logged = read_predictions(lived.loop.settings, weeks[0].start, weeks[-1].end).set_index("request_id")
    answered = lived.record.all_predictions().set_index("example_id")

    assert logged.index.is_unique
    assert answered.index.is_unique
    logged = logged.loc[answered.index]
    pd.testing.assert_series_equal(logged["prediction"], answered["prediction"], check_names=False)
    pd.testing.assert_series_equal(logged["model_version"], answered["version"], check_names=False)


def test_every_week_left_its_reports(lived: Lived) -> None:
    workspace = ReportWorkspace(lived.loop.settings.workspace, PROBLEM)

    assert len(workspace.list_reports()) == REPORTS_A_WEEK * len(lived.record.weeks)


def test_a_challenger_trained_on_shuffled_labels_is_refused(lived: Lived) -> None:
    assert lived.shuffled.version == "3"
    assert lived.shuffled.tags["gate"] == "refused"
    assert lived.shuffled.tags["gate_reasons"]
    assert lived.champion_after_shuffled == lived.served_after_shuffled == "2"


def test_rollback_brings_the_previous_version_back_to_the_running_server(lived: Lived) -> None:
    assert lived.served_after_rollback == {"1"}


def test_the_results_are_shown_with_their_reasons(lived: Lived, tmp_path: Path) -> None:
    console = Console(record=True, width=WIDTH, file=StringIO())

    show_results(console, lived.loop, score_frame_of(lived.loop, lived.record), lived.record, tmp_path)

    page, text = (tmp_path / "replay.html").read_text(), console.export_text()
    assert all(escape(reason) in page for week in lived.record.weeks for reason in week.reasons)
    assert "http" not in page.replace(lived.loop.service.url, "")
    assert (tmp_path / "replay.png").stat().st_size > 10_000
    assert f"{only_retraining(lived).requests_sent:,}; failed: 0" in text
    assert "make ui" in text
