"""The candidates are one of each family, all for the problem's task, ready to fit from its import path."""

from importlib import import_module
from typing import Any

from flight_delay.candidates import CANDIDATES
from flight_delay.problem import PROBLEM
from training.estimators.native import MODULES


def test_the_problem_names_these_candidates():
    module, _, name = PROBLEM.candidates.partition(":")
    assert getattr(import_module(module), name) is CANDIDATES


def test_every_family_competes_once():
    families = [estimator.family for estimator in CANDIDATES]
    assert sorted(families) == ["base_rate", "logistic", "network", "xgboost"]
    assert set(families) <= set(MODULES)


def test_candidates_have_the_problems_task():
    candidates: tuple[Any, ...] = CANDIDATES
    assert {estimator.task for estimator in candidates} == {PROBLEM.task}
