"""The whole loop, relived as `make demo` does it: cut off from every network, on a year that shifts."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from markupsafe import escape

from contracts.promotion import rollback
from experiments.replay.record import Retraining, WeekRecord
from experiments.settings import ReplaySettings
from features.settings import REPOSITORY
from inference.prediction_log.reader import read_predictions
from inference.settings import InferenceSettings
from monitoring.ml.decisions.record import DecisionLog
from monitoring.ml.reports.workspace import ReportWorkspace
from tests.flight_delay.shrunken_year import PROBLEM, WARM_UP_DAYS, write_shifted_raw
from tests.inference.running import running_server, wait_until
from tests.measured import measured_python

pytestmark = pytest.mark.timeout(900)

REPORTS_A_WEEK = 3
LOOPBACK_ONLY = """
import fcntl, os, socket, struct, sys
SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP))
os.execvp(sys.argv[1], sys.argv[1:])
"""


@dataclass(frozen=True)
class Lived:
    """What one replay left: its words, its record, and the world that it was relived in."""

    settings: ReplaySettings
    output: str

    @property
    def results(self) -> Path:
        return self.settings.var / "replay"

    @property
    def weeks(self) -> list[WeekRecord]:
        return [WeekRecord.model_validate_json(line) for line in self._lines("weeks")]

    @property
    def retraining(self) -> Retraining:
        (line,) = self._lines("retrainings")
        return Retraining.model_validate_json(line)

    @property
    def scored(self) -> pd.DataFrame:
        return pd.read_parquet(self.results / "scored.parquet")

    def _lines(self, name: str) -> list[str]:
        return (self.results / f"{name}.jsonl").read_text().splitlines()


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    folder = tmp_path_factory.mktemp("loop")
    given = {
        "ROUNDTRIP_PROBLEM": "tests.flight_delay.shrunken_year:PROBLEM",
        "ROUNDTRIP_RAW_DIR": str(write_shifted_raw(folder / "raw")),
        "ROUNDTRIP_REPLAY_WARM_UP": f"P{WARM_UP_DAYS}D",
    }
    command = [*measured_python(), "-m", "experiments.replay", "--var", str(folder / "var")]
    done = subprocess.run(
        without_network(command),
        cwd=REPOSITORY,
        env=os.environ | given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning" not in done.stderr, done.stderr
    relived: dict[str, Any] = {"var": folder / "var", "problem": given["ROUNDTRIP_PROBLEM"]}
    settings = ReplaySettings(**relived, inference=InferenceSettings(**relived, replay=True))
    return Lived(settings, done.stdout)


def without_network(command: list[str]) -> list[str]:
    """The command in a network namespace of its own, where only loopback is up."""
    rights = [] if os.geteuid() == 0 else ["--map-root-user"]
    return ["unshare", "--net", *rights, sys.executable, "-c", LOOPBACK_ONLY, *command]


def test_the_policy_waits_for_a_second_drifting_week_before_it_retrains(lived: Lived) -> None:
    assert [week.verdict for week in lived.weeks[:2]] == ["drifting", "retrain"]
    assert all(week.reasons for week in lived.weeks)


def test_a_pipe_is_told_each_week_as_it_is_relived(lived: Lived) -> None:
    told = re.findall(r" s  week (\d+) of (\d+), to (\S+), champion v\d+$", lived.output, re.M)

    assert told == [(str(week.number), str(len(lived.weeks)), f"{week.end:%Y-%m-%d}") for week in lived.weeks]


def test_the_decision_names_what_shifted(lived: Lived) -> None:
    assert "calibration_gap" in lived.weeks[1].drifting


def test_labels_were_still_coming_when_it_was_taken(lived: Lived) -> None:
    for decision in DecisionLog(lived.settings.monitoring.decisions_file).read():
        assert 0 < decision.labelled < decision.sample


def test_the_retrained_model_passed_the_gate_and_no_request_failed_on_the_way(lived: Lived) -> None:
    assert lived.retraining.accepted
    assert lived.retraining.requests_sent > 0
    assert lived.retraining.requests_failed == 0


def test_the_running_server_answered_with_the_new_version_from_the_next_week_on(lived: Lived) -> None:
    online = lived.scored[lived.scored["online"]]
    after = online["event_timestamp"] >= pd.Timestamp(lived.retraining.as_of)

    assert set(online.loc[~after, "version"]) == {"1"}
    assert set(online.loc[after, "version"]) == {"2"}


def test_the_new_version_is_better_than_the_frozen_one_on_the_same_flights(lived: Lived) -> None:
    scored = lived.scored
    fresh = scored[scored["event_timestamp"] >= pd.Timestamp(lived.retraining.as_of)]

    served, frozen = ((fresh[who] - fresh["label"]).pow(2).mean() for who in ("prediction", "frozen"))
    assert served < frozen


def test_every_answer_is_in_the_log_once(lived: Lived) -> None:
    weeks = lived.weeks
    logged = read_predictions(lived.settings, weeks[0].start, weeks[-1].end).set_index("request_id")
    answered = pd.read_parquet(lived.results / "predictions.parquet").set_index("example_id")

    assert logged.index.is_unique
    assert answered.index.is_unique
    logged = logged.loc[answered.index]
    pd.testing.assert_series_equal(logged["prediction"], answered["prediction"], check_names=False)
    pd.testing.assert_series_equal(logged["model_version"], answered["version"], check_names=False)


def test_every_week_left_its_reports(lived: Lived) -> None:
    workspace = ReportWorkspace(lived.settings.monitoring.workspace, PROBLEM)

    assert len(workspace.list_reports()) == REPORTS_A_WEEK * len(lived.weeks)


def test_the_results_are_shown_with_their_reasons(lived: Lived) -> None:
    page = (lived.results / "replay.html").read_text()

    assert all(escape(reason) in page for week in lived.weeks for reason in week.reasons)
    assert "http" not in page
    assert (lived.results / "replay.png").stat().st_size > 10_000
    assert "served predictions" in lived.output
    assert f"{lived.retraining.requests_sent:,}; failed: 0" in lived.output
    assert "make ui" in lived.output


def test_rollback_brings_the_previous_version_back_to_a_running_server(lived: Lived) -> None:
    with running_server(lived.settings.inference) as client:
        assert client.get("/v1/model").json()["version"] == "2"

        rollback(lived.settings.registry, PROBLEM.name, "complaints")

        wait_until(lambda: client.get("/v1/model").json()["version"] == "1", "the version of before")
