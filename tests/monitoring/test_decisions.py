"""The record of decisions: appended, replaced by id, whole after a crash, refused when damaged."""

from pathlib import Path
from uuid import uuid4

import pytest

from monitoring.ml.decisions.record import SCHEMA_VERSION, Decision, DecisionLog
from monitoring.ml.errors import DecisionLogError
from tests.monitoring.orders import PROBLEM, START, WEEK


def make_decision(week: int, **changes: object) -> Decision:
    end = START + week * WEEK
    values = {
        "decision_id": uuid4(),
        "problem": PROBLEM.name,
        "champion": "1",
        "window_start": end - WEEK,
        "window_end": end,
        "as_of": end,
        "sample": 1_000,
        "labelled": 900,
        "labelled_share": 0.9,
        "overdue_share": 0.0,
        "evaluated": 900,
        "signals": (),
        "feature_psi": {"amount": 0.4},
        "metrics": {"log_loss": 0.5},
        "drifting": True,
        "verdict": "retrain",
        "reasons": ("2 of the last 3 windows drifting, 2 needed",),
    }
    return Decision.model_validate(values | changes)


def test_what_was_appended_is_read_by_window_end(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "monitoring" / "decisions.jsonl")
    second, first = make_decision(2), make_decision(1)

    for decision in (second, first):
        log.append(decision)

    assert log.read() == [first, second]
    assert log.find(second.window_end) == second
    assert log.find(second.window_end + WEEK) is None


def test_the_outcome_of_a_request_replaces_the_open_one(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "decisions.jsonl")
    opened = make_decision(1)
    log.append(opened)

    log.append(opened.model_copy(update={"flow_run_id": "run-7"}))

    assert [decision.flow_run_id for decision in log.read()] == ["run-7"]
    assert len((tmp_path / "decisions.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("kept", [1, 40, -1])
def test_a_line_that_a_crash_cut_short_does_not_count_and_does_not_damage_the_next(
    tmp_path: Path, kept: int
) -> None:
    path = tmp_path / "decisions.jsonl"
    log = DecisionLog(path)
    first, lost, next_one = make_decision(1), make_decision(2), make_decision(3)
    log.append(first)
    whole = path.read_bytes()
    log.append(lost)
    path.write_bytes(whole + path.read_bytes()[len(whole) :][:kept])

    assert log.read() == [first]
    log.append(next_one)

    assert log.read() == [first, next_one]


def test_a_damaged_line_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    path.write_text('{"verdict": "retrain"}\n')

    with pytest.raises(DecisionLogError, match="damaged line; restore or remove it"):
        DecisionLog(path).read()


def test_an_unknown_schema_version_is_refused(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "decisions.jsonl")
    log.append(make_decision(1, schema_version=SCHEMA_VERSION + 1))

    with pytest.raises(DecisionLogError, match=f"this code reads {SCHEMA_VERSION}"):
        log.read()
