"""Serving is measured: the load counts answers, contestants must agree, figures follow the loads."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.benchmarks.http_serving import measuring, report, world
from experiments.benchmarks.http_serving.chart import LABELS_APART, draw_chart, spread_labels
from experiments.benchmarks.http_serving.contestants import (
    ECHO,
    OURS,
    OURS_DURABLE,
    OURS_ONLINE,
    PLAIN,
    Contestant,
    echo,
)
from experiments.benchmarks.http_serving.durability import CALLERS
from experiments.benchmarks.http_serving.open_load import OpenLoad
from experiments.benchmarks.http_serving.overload import Overload, Pressed
from experiments.benchmarks.http_serving.report import Measured, make_figures, publish
from experiments.benchmarks.http_serving.tally import Load
from experiments.benchmarks.http_serving.wire import (
    Columns,
    as_inputs,
    as_lists,
    as_tensors,
    from_feature_server,
)
from experiments.processes import Supervisor, free_port


def echo_contestant() -> Contestant:
    return echo(world)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def echo_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with Supervisor(tmp_path_factory.mktemp("logs")) as supervisor:
        port = free_port(21_500)
        service = supervisor.start("echo", echo_contestant().command(port, 1), {}, f"http://127.0.0.1:{port}")
        service.wait_for_answer("/")
        yield port


def test_contestants_that_answer_otherwise_are_not_measured(echo_port: int) -> None:
    given = Contestant("other", lambda *_: [], "/", "/", lambda _rows: b"[0.5]", json.loads)
    running = measuring.Running(given, service=None, port=echo_port)  # type: ignore[arg-type]

    measuring.require_equal_answers([running], [0.5])
    with pytest.raises(measuring.AnswersDifferError, match="other answers 200"):
        measuring.require_equal_answers([running], [0.6])


def test_peers_get_the_rows_in_their_own_layout() -> None:
    answer = {
        "metadata": {"feature_names": ["size", "kind", "age"]},
        "results": [{"values": [2.5]}, {"values": ["red"]}, {"values": [None]}],
    }
    columns = Columns(categorical=("kind",), numeric=("age", "size"))
    rows = [["red"]], [[0.0, 2.5]]

    for wire, write in (("lists", as_lists), ("inputs", as_inputs), ("tensors", as_tensors)):
        assert from_feature_server(json.dumps(answer).encode(), columns, wire) == write(*rows)  # type: ignore[arg-type]
    shapes = [tensor["shape"] for tensor in json.loads(as_tensors(*rows))["inputs"]]
    assert shapes == [[1, 1], [1, 2]]


def loads(**rates: float) -> dict[str, list[Load]]:
    return {
        name: [Load(rate * factor, 1.0, 1_000 / rate, {200: 10}) for factor in (0.5, 1.0, 3.0)]
        for name, rate in rates.items()
    }


@pytest.fixture
def measured() -> Measured:
    single = loads(**{OURS: 5_000.0, "Slow": 100.0, "Best": 500.0, PLAIN: 2_000.0, ECHO: 20_000.0})
    online = loads(**{OURS_ONLINE: 900.0, "features, then Best": 100.0})
    overload = Overload(1, [pressed(2.0, 6.0), pressed(1.0, 8.0), pressed(4.0, 30.0)])
    overloads = [overload, replace(overload, batch=48)]
    durability = {
        1: loads(**{OURS: 800.0, OURS_DURABLE: 200.0}),
        32: loads(**{OURS: 1_000.0, OURS_DURABLE: 900.0}),
    }
    return Measured(29, 8, {1: single, 32: single}, {2: single}, online, overloads, durability)


def pressed(calm_ms: float, pressed_ms: float) -> Pressed:
    calm = OpenLoad(100, 100, 1.0, calm_ms, {200: 100}, 0, 0, 0, 0.1, 1.0)
    statuses = {200: 300, 429: 10, 503: 880, 500: 10}
    overload = OpenLoad(1_200, 300, 2.0, pressed_ms, statuses, 1, 2, 3, 0.2, 9.0)
    return Pressed(Load(400, 1.0, 2.0, {200: 400}), calm, overload)


def test_figures_are_ratios_of_medians(measured: Measured) -> None:
    figures = make_figures(measured)

    assert figures["best_peer"] == "Best"
    assert figures["ratio_vs_best_peer"] == 10
    assert figures["ratio_vs_echo"] == 0.25
    assert figures["p99_ratio_vs_echo"] == 4
    assert figures["ratio_online_vs_feast_server_plus_peer"] == 9
    assert figures["batch_32_slow_rate"] == 100
    assert figures["speed_up_workers_2"] == 1


def test_overload_is_held_against_calm_hours(measured: Measured) -> None:
    figures = make_figures(measured)

    assert figures["overload_p99_ratio"] == figures["overload_p99_ratio_batch_48"] == 4
    assert figures["overload_accepted_share"] == 0.75
    counts = ("answered_200", "refused_429", "refused_503", "answered_otherwise")
    assert [figures[f"overload_{name}"] for name in counts] == [900, 30, 2_640, 30]
    assert [figures[f"overload_{name}"] for name in ("wrong", "unsaid", "missed")] == [3, 6, 9]


def test_a_synced_log_is_held_against_the_default_by_callers(measured: Measured) -> None:
    figures = make_figures(measured)

    assert figures["ratio_power_vs_process_callers_1"] == 0.25
    assert figures["ratio_power_vs_process_callers_32"] == 0.9
    assert (figures["rate_process_callers_1"], figures["p99_ms_power_callers_1"]) == (800, 5)


def test_the_page_shows_the_newest_table_and_chart(
    measured: Measured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, chart = tmp_path / "README.md", tmp_path / "serving.png"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    monkeypatch.setattr(report, "PAGE", page)
    monkeypatch.setattr(report, "CHART", tmp_path / "copy.png")

    draw_chart(measured, chart)
    publish(measured, chart)

    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert f"| 1 row | {OURS} | 5,000 | 5,000 |" in text
    assert "| 1 | 400 | 2.00 | 8.00 | 4.0 | 300 | 900 | 2,670 | 30 |" in text
    assert "| 1 | power | 200 | 0.25 | 1.00 | 5.00 |" in text
    assert (tmp_path / "copy.png").read_bytes() == chart.read_bytes()


def test_labels_of_equal_values_do_not_lie_on_each_other() -> None:
    spread = spread_labels({"high": 1_000.0, "one": 100.0, "other": 101.0})

    assert spread["other"] == 101
    assert spread["one"] <= spread["other"] / LABELS_APART
    assert spread["high"] == 1_000


def test_the_serving_page_has_the_table() -> None:
    page = report.PAGE.read_text()
    assert page.count(report.BEGIN) == page.count(report.END) == 1
    assert f"| 1 row | {OURS} |" in page
    assert all(f"| {callers} | power |" in page for callers in CALLERS)
