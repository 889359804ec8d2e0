"""From start to ready: what a service with a serving plan never imports, and what that saves."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from features.online.plan_file import plan_path, read_plan
from inference.settings import InferenceSettings
from tests.inference.parking import PROBLEM
from tests.inference.running import (
    ROOT,
    environment_of,
    free_port,
    is_ready,
    started_command,
    wait_until,
)
from tests.inference.world import instance

SLOW_TO_IMPORT = ("feast", "torch", "ibis", "duckdb", "evidently", "prefect", "xgboost", "sklearn")
# Two and a half times as fast where this was written.
FASTER = 1.5
REPORTING = f"""
import signal, sys

def report(*_):
    print("imported:", *sorted(set(sys.modules) & set({SLOW_TO_IMPORT!r})), flush=True)

signal.signal(signal.SIGUSR1, report)
sys.argv[0] = "inference"
from inference.__main__ import app
app()
"""


def test_a_service_with_a_plan_imports_no_feast(
    settings: InferenceSettings, champion: str, tmp_path: Path
) -> None:
    # given
    assert read_plan(settings, PROBLEM.feature_service) is not None
    script = tmp_path / "reporting.py"
    script.write_text(REPORTING)
    # when
    with started_command(script, settings) as (process, url):
        wait_until(lambda: is_ready(url), "a model")
        answered = httpx.post(f"{url}/v1/predict", json=instance(), timeout=30)
        process.send_signal(signal.SIGUSR1)
        assert process.stdout is not None
        reported = process.stdout.readline()
    # then
    assert answered.status_code == 200, answered.text
    assert reported.split() == ["imported:"]


@pytest.mark.slow
def test_a_plan_makes_the_start_much_cheaper(settings: InferenceSettings, champion: str) -> None:
    with_plan = cpu_seconds_of_a_start(settings)
    plan_path(settings, PROBLEM.feature_service).unlink()
    through_feast = cpu_seconds_of_a_start(settings)
    assert read_plan(settings, PROBLEM.feature_service) is not None  # the next start is fast again
    assert with_plan * FASTER < through_feast, (with_plan, through_feast)


def cpu_seconds_of_a_start(settings: InferenceSettings) -> float:
    """What a service costs that is started, becomes ready, and is ended."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "inference", "serve", "--port", str(port)],
        cwd=ROOT,
        env=environment_of(settings),
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: is_ready(f"http://127.0.0.1:{port}"), "a model")
    finally:
        process.terminate()
        _, status, used = os.wait4(process.pid, 0)
    assert status == 0
    return used.ru_utime + used.ru_stime
