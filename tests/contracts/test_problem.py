"""A problem spec refuses what its requests could not carry."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from contracts.problem import Problem, ProblemError, RequestField, load_problem
from tests.second_problem.problem import PROBLEM


@pytest.mark.parametrize("name", ['si"te', "si\\te", "si\nte", ""])
def test_a_field_whose_name_no_request_can_carry_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="is empty, or has a quote"):
        RequestField(name=name, dtype="string", description="The site", example="north")


def with_gate(window: timedelta, probability: float) -> Problem:
    windows = PROBLEM.windows.model_copy(update={"gate": window})
    gate = PROBLEM.gate.model_copy(update={"probability_over_champion": probability})
    return Problem(**dict(PROBLEM) | {"windows": windows, "gate": gate})


@pytest.mark.parametrize("hours", [12, 24])
def test_a_gate_that_no_challenger_could_pass_is_refused(hours: int) -> None:
    with pytest.raises(ValidationError, match=r"longer than a day, or set gate\.probability"):
        with_gate(timedelta(hours=hours), probability=0.8)


@pytest.mark.parametrize(("hours", "probability"), [(25, 0.8), (24, 0.0)])
def test_a_gate_that_a_challenger_can_pass_is_taken(hours: int, probability: float) -> None:
    assert with_gate(timedelta(hours=hours), probability).windows.gate == timedelta(hours=hours)


def test_a_problem_that_contradicts_itself_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    defined = """
from datetime import timedelta
from tests.contracts.test_problem import with_gate

PROBLEM = with_gate(timedelta(days=1), 0.8)
"""
    (tmp_path / "one_day_gate.py").write_text(defined)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ProblemError, match=r"one_day_gate:PROBLEM.* cannot be: .*make it longer than a day"):
        load_problem("one_day_gate:PROBLEM")
