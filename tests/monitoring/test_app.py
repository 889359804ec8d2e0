"""The monitor as a process: real HTTP, typed errors, figures that the alert rules name, a clean end."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import httpx
import pytest
import yaml

import monitoring.ml
from features.quality.measure import TableMeasure
from features.quality.record import RECORD_FILE, append_records, make_record
from monitoring.ml.settings import MonitoringSettings
from tests.measured import measured_python
from tests.monitoring.orders import POLICY, START, WEEK, draw_orders
from tests.monitoring.world import live_through, world_settings

TIMEOUT = 120.0
ALERTS = Path(monitoring.ml.__file__).with_name("alerts.yml")
ROOT = Path(__file__).resolve().parents[2]
END = START + 2 * WEEK


@pytest.fixture(scope="module")
def var(untouched_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two weeks: the first like the reference, the second with features that moved; and a checked table."""
    var = copytree(untouched_world, tmp_path_factory.mktemp("served") / "var")
    weeks = [draw_orders(START, 1_200, seed=1), draw_orders(START + WEEK, 1_200, seed=2, bigger=1.5)]
    live_through(world_settings(var), weeks)
    measure = TableMeasure(rows=1, newest=START, largest_gap_seconds=60.0, null_rate={"amount": 0.0})
    record = make_record("orders", "build", END, measure, WEEK.total_seconds(), {"amount": 0.5})
    append_records(var / "features" / RECORD_FILE, [record])
    return var


@pytest.fixture(scope="module")
def process(var: Path) -> Iterator[subprocess.Popen[str]]:
    """`python -m monitoring.ml serve` on a free port."""
    process = subprocess.Popen(
        [*measured_python(), "-m", "monitoring.ml", "serve", "--port", "0"],
        cwd=ROOT,
        env=process_environment(var),
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    found = re.search(r"http://\S+", process.stdout.readline())
    assert found
    return found.group()


def process_environment(var: Path) -> dict[str, str]:
    settings: MonitoringSettings = world_settings(var)
    paths = os.pathsep.join([str(ROOT), str(ROOT / "ml-models")])
    chosen = {"ROUNDTRIP_VAR": str(settings.var), "ROUNDTRIP_PROBLEM": settings.problem, "PYTHONPATH": paths}
    return {**os.environ, **chosen, "PREFECT_API_URL": "http://127.0.0.1:9/api"}


def evaluate(url: str, as_of: str) -> httpx.Response:
    return httpx.post(f"{url}/v1/evaluate", json={"as_of": as_of}, timeout=TIMEOUT)


def exported_names(text: str) -> set[str]:
    return {re.split(r"[ {]", line)[0] for line in text.splitlines() if not line.startswith("#")}


def test_a_window_is_decided_over_http_and_recorded(url: str) -> None:
    first, second = (evaluate(url, end.isoformat()) for end in (START + WEEK, END))

    assert (first.status_code, first.json()["verdict"]) == (200, "hold")
    assert (second.status_code, second.json()["verdict"]) == (200, "drifting")
    assert httpx.get(f"{url}/v1/decisions", timeout=TIMEOUT).json() == [first.json(), second.json()]
    assert evaluate(url, END.isoformat()).json() == second.json()


def test_the_reports_of_a_decision_are_written_behind_it(url: str, var: Path) -> None:
    evaluate(url, END.isoformat())

    state = httpx.get(f"{url}/v1/reports", params={"wait_seconds": 60}, timeout=TIMEOUT).json()

    assert state == {"pending": 0, "failures": 0, "last_error": None}
    assert list((var / "monitoring" / "workspace").glob("*/snapshots/*.json"))
    assert httpx.get(f"{url}/health/live", timeout=TIMEOUT).json()["status"] == "ok"


def test_the_figures_are_those_of_the_newest_decision(url: str) -> None:
    decision = evaluate(url, END.isoformat()).json()

    text = httpx.get(f"{url}/metrics", timeout=TIMEOUT).text

    assert f'signal_threshold{{signal="feature_drift"}} {POLICY.feature_share}' in text
    assert 'signal_drifting{signal="feature_drift"} 1.0' in text
    assert f'feature_psi{{feature="amount"}} {decision["feature_psi"]["amount"]}' in text
    assert f'window_metric{{metric="log_loss"}} {decision["metrics"]["log_loss"]}' in text
    assert 'roundtrip_monitoring_decisions_total{verdict="drifting"} 1.0' in text


def test_every_alert_rule_names_figures_that_are_exported(url: str) -> None:
    evaluate(url, END.isoformat())
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    exported = exported_names(httpx.get(f"{url}/metrics", timeout=TIMEOUT).text)

    named = {name for rule in rules for name in re.findall(r"roundtrip_\w+", rule["expr"])}

    assert named
    assert named <= exported


def test_head_is_answered_as_get_is(url: str) -> None:
    asked = httpx.head(f"{url}/health/live", timeout=TIMEOUT)

    assert (asked.status_code, asked.content) == (200, b"")


@pytest.mark.parametrize(
    "body", [{"as_of": "2024-05-20T00:00:00"}, {"as_of": "soon"}, {}, {"as_of": None, "x": 1}]
)
def test_a_moment_without_zone_is_refused(url: str, body: dict[str, object]) -> None:
    answer = httpx.post(f"{url}/v1/evaluate", json=body, timeout=TIMEOUT)

    assert answer.status_code == 422
    assert answer.json()["detail"]


def test_a_busy_port_is_named(url: str, var: Path) -> None:
    port = url.rsplit(":", 1)[1]
    command = [*measured_python(), "-m", "monitoring.ml", "serve", "--port", port]

    ended = subprocess.run(
        command,
        cwd=ROOT,
        env=process_environment(var),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert f"port {port}" in ended.stderr


def test_sigterm_ends_the_process_cleanly(url: str, process: subprocess.Popen[str]) -> None:
    """Last in this file: the process is gone after it."""
    assert httpx.get(f"{url}/health/live", timeout=TIMEOUT).json() == {"status": "ok"}

    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=30) == 0
