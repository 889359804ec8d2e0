"""The benchmarks run, compare equals, and write their figures by name."""

import json
from pathlib import Path

import numpy as np
import pytest

from experiments.benchmarks import features, scoring
from tests.second_problem.world import REPOSITORY, build_docks


def test_every_contestant_answers_the_same() -> None:
    data = scoring.draw_dataset(500)

    answers = [np.asarray(score(data.matrix)) for score in scoring.make_contestants(data).values()]

    for answer in answers[1:]:
        np.testing.assert_allclose(answer, answers[0], atol=1e-5)


def test_figures_and_ratios_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDTRIP_VAR", str(tmp_path))
    monkeypatch.setattr(scoring, "FIT_ROWS", 500)
    monkeypatch.setattr(scoring, "ROUNDS", 1)

    scoring.main()

    figures = json.loads((tmp_path / "bench" / "scoring.json").read_text())
    assert figures["ratio_inplace_predict_vs_onnx_1"] > 0
    assert figures["ratio_data_frame_vs_onnx_1000"] > 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_join_is_measured_against_equal_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDTRIP_VAR", str(tmp_path))
    monkeypatch.setenv("ROUNDTRIP_FEATURE_REPO", str(REPOSITORY))
    monkeypatch.setattr(features, "SCALES", {"20k": 20_000})
    build_docks(tmp_path / "bench" / "point_in_time" / "year")

    features.main(rounds=1, patience=200, scales="20k")

    figures = json.loads((tmp_path / "bench" / "features.json").read_text())
    assert figures["ratio_vs_feast_duckdb"] > 0
    assert figures["ratio_vs_sql"] > 0
    assert figures["feast_duckdb_unfinished_views"] == []
    assert figures["seconds_20k"] > 0
    assert (tmp_path / "bench" / "features.png").is_file()
