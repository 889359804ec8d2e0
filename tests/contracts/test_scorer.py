"""The scorer loads plain graphs only, checks widths, and needs no training library."""

import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from contracts.bundle.errors import BundleError, GraphSafetyError
from contracts.bundle.scorer import Scorer, ScorerError
from tests.training.tabular_rows import COLUMNS, ESTIMATORS, make_matrix, make_rows

HEAVY = ("sklearn", "xgboost", "torch", "prefect", "evidently", "matplotlib", "feast", "mlflow")


@pytest.fixture(scope="module")
def graph():
    return ESTIMATORS[1]("binary").fit(make_rows("binary"), make_rows("binary", 50, 2), COLUMNS, 1).to_onnx()


def test_scores_from_bytes_and_from_a_file(graph, tmp_path):
    (tmp_path / "model.onnx").write_bytes(graph.SerializeToString())
    rows = make_matrix(64, 1)
    scores = Scorer(tmp_path / "model.onnx", threads=2).score(rows.categorical, rows.numeric)
    assert scores.dtype == np.float64
    assert np.array_equal(scores, Scorer(graph.SerializeToString()).score_matrix(rows))


def test_rows_score_alike_alone_and_together(graph):
    scorer, rows = Scorer(graph.SerializeToString()), make_matrix(40, 1)
    alone = [scorer.score_matrix(rows.rows(slice(row, row + 1)))[0] for row in range(40)]
    assert alone == pytest.approx(scorer.score_matrix(rows), abs=1e-6)


def test_other_widths_are_refused(graph):
    rows = make_matrix(4, 1)
    with pytest.raises(ScorerError, match="numeric has 2 columns, the graph reads 3"):
        Scorer(graph.SerializeToString()).score(rows.categorical, rows.numeric[:, :2])


def test_a_custom_operator_domain_is_refused(graph):
    strange = onnx.ModelProto()
    strange.CopyFrom(graph)
    strange.graph.node[0].domain = "com.example.shell"
    with pytest.raises(GraphSafetyError, match=r"com\.example\.shell"):
        Scorer(strange.SerializeToString())


def test_a_custom_domain_hidden_in_a_branch_is_refused(graph):
    branch = helper.make_graph([helper.make_node("Run", [], ["y"], domain="hidden.away")], "branch", [], [])
    strange = onnx.ModelProto()
    strange.CopyFrom(graph)
    strange.graph.node.append(helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch))
    with pytest.raises(GraphSafetyError, match=r"hidden\.away"):
        Scorer(strange.SerializeToString())


def test_a_graph_that_reads_another_file_is_refused(graph):
    strange = onnx.ModelProto()
    strange.CopyFrom(graph)
    constant = strange.graph.initializer[0]
    constant.data_location = TensorProto.EXTERNAL
    constant.external_data.add(key="location", value="/etc/hostname")
    with pytest.raises(GraphSafetyError, match="another file"):
        Scorer(strange.SerializeToString())


@pytest.mark.parametrize("content", [b"", b"not a graph", b"\x08"])
def test_what_is_no_model_is_refused_with_a_bundle_error(content):
    with pytest.raises(BundleError):
        Scorer(content)


def test_a_truncated_model_is_refused(graph):
    content = graph.SerializeToString()
    with pytest.raises(BundleError):
        Scorer(content[: len(content) // 2])


def test_a_graph_with_other_outputs_is_refused():
    value = helper.make_tensor_value_info("numeric", TensorProto.FLOAT, ["rows", 1])
    result = helper.make_tensor_value_info("other", TensorProto.FLOAT, ["rows", 1])
    node = helper.make_node("Identity", ["numeric"], ["other"])
    foreign = helper.make_model(
        helper.make_graph([node], "foreign", [value], [result]),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=8,
    )
    with pytest.raises(ScorerError, match="export it with to_onnx"):
        Scorer(foreign.SerializeToString())


def test_scoring_imports_no_training_library():
    script = f"import sys, contracts.bundle.scorer; print([m for m in {HEAVY} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
