"""The serving benchmark whole: real servers, loaded in turn, on answers that agree."""

import json
from pathlib import Path

import pytest

from experiments.benchmarks import serving
from tests.flight_delay.raw_days import write_raw_days

SECONDS = 0.4
THREE_MONTHS = "2013-03-01", "2013-06-01"


@pytest.mark.timeout(1_200)  # installs servers
@pytest.mark.parametrize(
    "peers",
    [
        pytest.param(["litserve"], marks=pytest.mark.slow),
        pytest.param(serving.ALL, marks=pytest.mark.nightly),
    ],
)
def test_servers_are_measured_on_equal_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, peers: list[str]
) -> None:
    monkeypatch.setenv("ROUNDTRIP_VAR", str(tmp_path))
    monkeypatch.setenv("ROUNDTRIP_RAW_DIR", str(write_raw_days(tmp_path / "raw", *THREE_MONTHS)))

    serving.main(rounds=1, seconds=SECONDS, show=False, peer=peers)

    figures = json.loads((tmp_path / "bench" / "serving.json").read_text())
    assert figures["ratio_vs_best_peer"] > 1
    assert 0 < figures["ratio_vs_echo"] < 1
    assert figures["p99_ratio_vs_echo"] > 0
    assert figures["ratio_online_vs_feast_server_plus_peer"] > 1
    assert figures["ratio_power_vs_process_callers_1"] > 0
    assert figures["ratio_power_vs_process_callers_32"] > 0
    # A quarter of what could be answered a moment ago may be too much for a machine that became busy.
    calm = {name for name in figures if name.endswith("unloaded_refused")}
    assert calm
    assert not [name for name in figures.keys() - calm if name.endswith("_refused") and figures[name]]
    assert figures["overload_answered_200"] > 0
    assert figures["overload_refused_503"] > 0
    assert {figures[f"overload_{name}"] for name in ("answered_otherwise", "wrong", "unsaid")} == {0}
    assert (tmp_path / "bench" / "serving.png").is_file()
