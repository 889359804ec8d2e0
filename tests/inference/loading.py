"""Loads a served world from a process of its own: as many callers as wait for their answers, or at a rate."""

import json
from pathlib import Path

from experiments.benchmarks.http_serving import load, open_load
from experiments.benchmarks.http_serving.load import Plan, Step
from experiments.benchmarks.http_serving.load_process import run_apart
from experiments.benchmarks.http_serving.open_load import OpenLoad, OpenPlan
from experiments.benchmarks.http_serving.tally import Load
from tests.inference.running import PATIENCE
from tests.inference.world import instance

# What each site's cars add to a version's level, 1.0 here, in answers of one instance.
ANSWERS = {"north": b'"prediction":1.125', "south": b'"prediction":1.0', "east": b'"prediction":1.12'}


def step_of(port: int, instances: int) -> Step:
    """Requests of so many instances, each for one site."""
    bodies = [json.dumps({"instances": [instance(site)] * instances}).encode() for site in ANSWERS]
    return Step(port, "/v1/predict", {}, bodies)


def load_closed(step: Step, connections: int, seconds: float, folder: Path) -> Load:
    """Callers who wait for their answers."""
    plan = Plan(step, connections, warm_up=0.3, seconds=seconds)
    return run_apart(load, plan, Load, folder, PATIENCE)


def load_open(step: Step, rate: float, seconds: float, folder: Path, connections: int = 200) -> OpenLoad:
    """Callers who do not."""
    plan = OpenPlan(step, list(ANSWERS.values()), rate, seconds, connections)
    return run_apart(open_load, plan, OpenLoad, folder, PATIENCE)
