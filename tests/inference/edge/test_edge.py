"""The edge bundle: answers as the served model where only numpy and onnxruntime can be imported."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from contracts.bundle.contract import REFERENCE_FILE
from contracts.bundle.reader import Bundle
from inference.__main__ import app
from inference.edge import runner
from inference.edge.checking import PARITY_LIMIT, largest_error, require_parity, run_exported
from inference.edge.errors import EdgeParityError, OutputTakenError, SampleError
from inference.edge.export import export_bundle
from inference.edge.manifest import EdgeManifest
from inference.edge.quantisation import METRIC_TOLERANCE, choose_graph
from inference.edge.sample import read_sample
from inference.settings import InferenceSettings
from tests.inference.fitted_bundles import fitted_problem, to_frame, with_file, write_fitted_bundle
from tests.inference.running import environment_of
from tests.training.tabular_rows import make_matrix
from training.estimators.base import Estimator
from training.estimators.linear import LinearEstimator
from training.estimators.network import NetworkEstimator
from training.estimators.xgboost_trees import BoostedTreesEstimator

LONGEST_RUNNER = 60
PROBLEM = fitted_problem("binary")
ROWS = make_matrix(50, seed=21)
# Runs a script where every import but the standard library's, numpy's and onnxruntime's fails.
ALONE = """
import runpy, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in {"numpy", "onnxruntime", *sys.stdlib_module_names}:
            raise ImportError(f"{name} is not installed here")
sys.meta_path.insert(0, Blocker())
runpy.run_path(sys.argv[1], run_name="__main__")
"""


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    folder = tmp_path_factory.mktemp("edge")
    estimators: dict[str, Estimator] = {
        "linear": LinearEstimator("binary"),
        "trees": BoostedTreesEstimator("binary", rounds=30),
        "network": NetworkEstimator("binary", hidden=(64, 32), epochs=2, batch=128, learning_rate=0.01),
    }
    return {
        name: write_fitted_bundle(folder / name, estimator, "binary")
        for name, estimator in estimators.items()
    }


def export(bundles: dict[str, Bundle], family: str, output: Path) -> EdgeManifest:
    return export_bundle(bundles[family], "7", PROBLEM, output)


def run_alone(script: Path, lines: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-I", "-c", ALONE, str(script)]
    return subprocess.run(command, input=lines, capture_output=True, text=True, check=False)


def as_lines() -> str:
    return "".join(f"{line}\n" for line in to_frame(ROWS).to_json(orient="records", lines=True).splitlines())


@pytest.mark.parametrize("family", ["linear", "trees"])
def test_the_runner_answers_as_the_served_model_with_two_packages_only(
    bundles: dict[str, Bundle], tmp_path: Path, family: str
) -> None:
    export(bundles, family, tmp_path / "edge")

    ended = run_alone(tmp_path / "edge" / "run.py", as_lines())

    answers = np.array([json.loads(line)["prediction"] for line in ended.stdout.splitlines()])
    assert largest_error(answers, bundles[family].scorer().score_matrix(ROWS)) <= PARITY_LIMIT


def test_a_network_is_quantised_where_it_keeps_its_quality(
    bundles: dict[str, Bundle], tmp_path: Path
) -> None:
    manifest = export(bundles, "network", tmp_path / "edge")

    assert manifest.quantised
    assert manifest.bytes_exported == (tmp_path / "edge" / "model.onnx").stat().st_size
    assert manifest.bytes_exported < manifest.bytes_served
    assert abs(manifest.metric_exported - manifest.metric_served) < METRIC_TOLERANCE * manifest.metric_served
    assert manifest.parity_error <= PARITY_LIMIT < manifest.largest_difference


def test_a_quantised_graph_that_moves_the_metric_too_far_is_not_kept(bundles: dict[str, Bundle]) -> None:
    choice = choose_graph(bundles["network"], read_sample(bundles["network"]), tolerance=0.0)

    assert not choice.quantised
    assert len(choice.graph) == choice.bytes_served
    assert choice.tried_metric != choice.metric == choice.metric_served


def test_trees_are_exported_as_served(bundles: dict[str, Bundle], tmp_path: Path) -> None:
    manifest = export(bundles, "trees", tmp_path / "edge")

    exported = (tmp_path / "edge" / "model.onnx").read_bytes()
    assert exported == (bundles["trees"].folder / "model.onnx").read_bytes()
    assert (manifest.quantised, manifest.tried_bytes) == (False, None)


@pytest.mark.parametrize("name", ["model.onnx", "contract.json", "run.py", "README.md"])
def test_the_runner_refuses_what_was_tampered_with(
    bundles: dict[str, Bundle], tmp_path: Path, name: str
) -> None:
    export(bundles, "linear", tmp_path / "edge")
    with (tmp_path / "edge" / name).open("ab") as file:
        file.write(b"\n")

    ended = run_alone(tmp_path / "edge" / "run.py", as_lines())

    assert ended.returncode != 0
    assert f"{name} is not the exported one" in ended.stderr
    assert not ended.stdout


def test_a_bad_line_spoils_no_other(bundles: dict[str, Bundle], tmp_path: Path) -> None:
    export(bundles, "trees", tmp_path / "edge")

    ended = run_alone(tmp_path / "edge" / "run.py", '{"mass": 1}\nno json\n{"weight": "heavy"}\n{}\n')

    unknown, broken, text, empty = map(json.loads, ended.stdout.splitlines())
    assert "mass" in unknown["error"]
    assert {*broken, *text} == {"error"}
    assert 0 < empty["prediction"] < 1


def test_a_runner_that_answers_otherwise_is_refused(bundles: dict[str, Bundle], tmp_path: Path) -> None:
    export(bundles, "linear", tmp_path / "edge")
    sample = read_sample(bundles["linear"])
    expected = bundles["linear"].scorer().score_matrix(sample.matrix)
    require_parity(largest_error(run_exported(tmp_path / "edge", sample), expected))

    with pytest.raises(EdgeParityError, match="differ"):
        require_parity(largest_error(expected + 1e-3, expected))
    with pytest.raises(EdgeParityError, match="differ"):
        require_parity(largest_error(expected[1:], expected))
    (tmp_path / "edge" / "run.py").write_text("raise SystemExit('broken')")
    with pytest.raises(EdgeParityError, match="broken"):
        run_exported(tmp_path / "edge", sample)


def test_what_cannot_be_checked_is_not_written(bundles: dict[str, Bundle], tmp_path: Path) -> None:
    bundle = with_file(bundles["linear"], tmp_path / "bundle", REFERENCE_FILE, b"PAR1")

    with pytest.raises(SampleError):
        export_bundle(bundle, "7", PROBLEM, tmp_path / "edge")

    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_folder_that_holds_something_is_left_alone(bundles: dict[str, Bundle], tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")

    with pytest.raises(OutputTakenError, match="new folder"):
        export(bundles, "linear", tmp_path)


def test_the_command_exports_the_champion_and_shows_the_figures(
    settings: InferenceSettings, champion: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment_of(settings).items():
        if name.startswith("ROUNDTRIP_"):
            monkeypatch.setenv(name, value)

    ended = CliRunner().invoke(app, ["export", "--output", str(tmp_path / "edge")])

    assert ended.exit_code == 0, ended.output
    assert "microseconds for one row" in ended.output
    answered = run_alone(tmp_path / "edge" / "run.py", '{"cars": 125}\n')
    assert json.loads(answered.stdout)["prediction"] == pytest.approx(1.125, abs=1e-6)


def test_the_runner_is_short() -> None:
    assert len(Path(runner.__file__).read_text().splitlines()) <= LONGEST_RUNNER
