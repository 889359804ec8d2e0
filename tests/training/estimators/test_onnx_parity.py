"""Each family's graph answers as its native model does, on rows made to find a difference."""

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest

from contracts.bundle.scorer import Scorer
from contracts.encoders.calibration import Calibration
from contracts.encoders.onnx_graphs import IR_VERSION, ML_DOMAIN, ML_OPSET, OPSET
from contracts.matrix import FeatureMatrix
from contracts.parity import (
    PARITY_LIMIT,
    PARITY_ROWS,
    UNKNOWN_CATEGORY,
    largest_error,
    prediction_scale,
    stress_rows,
)
from tests.training.tabular_rows import COLUMNS, ESTIMATORS, make_matrix, make_rows
from training.estimators.base import Dataset

CASES = [(task, make) for task in ("binary", "regression") for make in ESTIMATORS]


@pytest.mark.parametrize(("task", "make"), CASES)
def test_graph_agrees_with_native_model_after_calibration(task, make):
    model = make(task).fit(make_rows(task), make_rows(task, 1_000, 2), COLUMNS, seed=1)
    model = model.calibrate(make_rows(task, 1_000, 3))
    rows = stress_rows(make_matrix(4_000, 0), seed=5)
    assert len(rows) == PARITY_ROWS
    assert largest_error(model, model.to_onnx(), rows) <= PARITY_LIMIT


@pytest.mark.parametrize("spread", [3e-3, 3e5])
@pytest.mark.parametrize("make", ESTIMATORS)
def test_parity_is_judged_on_the_scale_of_the_label(make, spread):
    """Labels around zero, so that float32 rounds answers of any size to what is small for the label only."""

    def rows(count=4_000, seed=0):
        given = make_rows("regression", count, seed)
        return Dataset(given.matrix, (given.label - 1_000) / 100 * spread)

    train, odd = rows(), stress_rows(make_matrix(4_000, 0), seed=5)
    model = make("regression").fit(train, rows(1_000, 2), COLUMNS, seed=1).calibrate(rows(1_000, 3))
    scale = prediction_scale("regression", train.label)
    assert largest_error(model, model.to_onnx(), odd, scale) <= PARITY_LIMIT
    # and a graph that is off by a thousandth of that is found out
    moved = replace(model, calibration=Calibration("regression", intercept=spread / 1_000))
    assert largest_error(moved, model.to_onnx(), odd, scale) > PARITY_LIMIT


def test_a_wrong_graph_is_found_out():
    model = ESTIMATORS[2]("binary").fit(make_rows("binary"), make_rows("binary", 500, 2), COLUMNS, seed=1)
    other = model.calibrate(make_rows("binary", 4_000, 3))
    assert largest_error(model, other.to_onnx(), stress_rows(make_matrix(500, 0), 5)) > PARITY_LIMIT


def test_an_answer_that_is_no_number_is_infinitely_wrong():
    class Broken:
        def predict(self, matrix):
            return np.full(len(matrix), np.nan)

    broken: Any = Broken()
    model = ESTIMATORS[0]("binary").fit(make_rows("binary"), make_rows("binary", 9), COLUMNS, seed=1)
    assert largest_error(broken, model.to_onnx(), make_matrix(20, 1)) == np.inf


def test_stress_rows_hold_every_kind_of_trouble():
    rows = stress_rows(make_matrix(300, 0), seed=3)
    again = stress_rows(make_matrix(300, 0), seed=3)
    assert np.array_equal(rows.numeric, again.numeric, equal_nan=True)
    assert {UNKNOWN_CATEGORY, ""} <= set(rows.categorical[:, 0])
    assert np.isposinf(rows.numeric).any()
    assert np.isneginf(rows.numeric).any()
    assert np.isnan(rows.numeric[-1]).all()


def test_tree_thresholds_are_hit_exactly():
    """A value equal to a split goes the same way in both: whole numbers make every split an exact hit."""
    rows = make_rows("binary")
    whole = FeatureMatrix(rows.matrix.categorical, np.round(rows.matrix.numeric / 7))
    model = ESTIMATORS[2]("binary").fit(type(rows)(whole, rows.label), rows, COLUMNS, seed=1)
    assert largest_error(model, model.to_onnx(), whole) <= PARITY_LIMIT


@pytest.mark.parametrize("kind", ["categorical", "numeric"])
@pytest.mark.parametrize("make", ESTIMATORS)
def test_one_kind_of_column_is_enough(kind, make):
    def narrow(rows):
        empty = {"categorical": rows.matrix.numeric, "numeric": rows.matrix.categorical}[kind][:, :0]
        kept = getattr(rows.matrix, kind)
        matrix = (
            FeatureMatrix(kept, empty.astype(np.float32))
            if kind == "categorical"
            else FeatureMatrix(empty.astype(object), kept)
        )
        return type(rows)(matrix, rows.label)

    columns = tuple(column for column in COLUMNS if column.kind == kind)
    train, later = narrow(make_rows("binary")), narrow(make_rows("binary", 500, 2))
    model = make("binary").fit(train, later, columns, seed=1)
    graph = model.to_onnx()
    assert [given.name for given in graph.graph.input] == [kind]
    assert largest_error(model, graph, stress_rows(later.matrix, 4, rows=1_000)) <= PARITY_LIMIT


@pytest.mark.parametrize("make", ESTIMATORS)
def test_graph_declares_its_versions_and_shapes(make):
    model = make("binary").fit(make_rows("binary"), make_rows("binary", 500, 2), COLUMNS, seed=1)
    graph = model.to_onnx()
    assert graph.ir_version == IR_VERSION
    assert {o.domain: o.version for o in graph.opset_import} == {"": OPSET, ML_DOMAIN: ML_OPSET}
    scorer = Scorer(graph.SerializeToString())
    one = make_matrix(1, 8)
    assert scorer.score_matrix(one).shape == (1,)
    assert scorer.score_matrix(one.rows(slice(0, 0))).shape == (0,)
    onnx.checker.check_model(graph, full_check=True)
