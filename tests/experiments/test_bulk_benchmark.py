"""The bulk benchmark runs, compares equal answers, and writes its figures by name."""

import json
from pathlib import Path

import pytest

from experiments.benchmarks import bulk_scoring


def test_figures_and_ratios_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDTRIP_VAR", str(tmp_path))
    for name, value in {"ROWS": 3_000, "FIT_ROWS": 500, "REPEATS": 1}.items():
        monkeypatch.setattr(bulk_scoring, name, value)

    bulk_scoring.main()

    figures = json.loads((tmp_path / "bench" / "bulk_scoring.json").read_text())
    assert figures["rows"] == 3_000
    assert figures["ratio_vs_bare_model"] > 0
    assert figures["ratio_batch_logged_vs_bare_model"] > 0
    assert not (tmp_path / "bench" / "bulk_scoring").exists()
