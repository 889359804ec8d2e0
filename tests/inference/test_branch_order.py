"""Trees get the rows of a bulk run in the order that takes them less time; the answers are the same."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from contracts.bundle.scorer import Scorer
from contracts.matrix import FeatureMatrix, Floats
from inference.batch.branch_order import FEWEST_ROWS, GROUPS, TRIALS, BulkScorer, branch_order, first_cuts
from tests.inference.fitted_bundles import write_fitted_bundle
from tests.training.tabular_rows import make_matrix
from training.estimators.base import Estimator
from training.estimators.boosted_trees import BoostedTreesEstimator
from training.estimators.linear import LinearEstimator

TREES, LINEAR = BoostedTreesEstimator("binary", rounds=40), LinearEstimator("binary")
MATRIX = make_matrix(FEWEST_ROWS + 500, seed=7)
# The column that each tree asks first: the last three ask a category's code.
ROOTS = (3, 2, 3, 1, 1, 1)


@pytest.mark.parametrize("estimator", [TREES, LINEAR], ids=["trees", "linear"])
def test_the_answers_are_those_of_the_graph_either_way(estimator: Estimator, tmp_path: Path) -> None:
    bundle = write_fitted_bundle(tmp_path, estimator, "binary")
    scorer, expected = BulkScorer(bundle), bundle.scorer().score_matrix(MATRIX)

    assert np.array_equal(scorer.score_grouped(MATRIX), expected)
    assert np.array_equal(scorer.score_matrix(MATRIX), expected)


def test_rows_are_grouped_where_that_takes_less_time(scored: "Scored", tmp_path: Path) -> None:
    scorer = BulkScorer(write_fitted_bundle(tmp_path, TREES, "binary"), scored.clock)
    scored.seconds = {"grouped": 1.0, "as they come": 1.5}

    for _ in range(2 * TRIALS + 5):
        scorer.score_matrix(MATRIX)

    assert scored.ways.count("as they come") == TRIALS
    assert scored.ways[-5:] == ["grouped"] * 5


def test_the_other_way_is_taken_once_it_takes_less_time(scored: "Scored", tmp_path: Path) -> None:
    scorer = BulkScorer(write_fitted_bundle(tmp_path, TREES, "binary"), scored.clock)

    for seconds in ({"grouped": 1.0, "as they come": 1.5}, {"grouped": 2.0, "as they come": 1.5}):
        scored.seconds = seconds
        for _ in range(2 * TRIALS + 5):
            scorer.score_matrix(MATRIX)

    assert scored.ways[-5:] == ["as they come"] * 5


def test_few_rows_and_graphs_without_trees_are_scored_as_they_come(scored: "Scored", tmp_path: Path) -> None:
    trees = BulkScorer(write_fitted_bundle(tmp_path / "trees", TREES, "binary"))
    linear = BulkScorer(write_fitted_bundle(tmp_path / "linear", LINEAR, "binary"))

    for _ in range(3):
        trees.score_matrix(MATRIX.rows(slice(0, FEWEST_ROWS - 1)))
        linear.score_matrix(MATRIX)

    assert scored.ways == ["as they come"] * 6


def test_the_numbers_asked_first_by_most_trees_are_cut() -> None:
    cuts = list(first_cuts(_graph_of_stumps(ROOTS), categories=2, numbers=2))

    assert [column for column, _ in cuts] == [1, 0]
    assert all(len(edges) == GROUPS - 1 and (np.diff(edges) >= 0).all() for _, edges in cuts)


def test_columns_that_the_matrix_does_not_have_are_left_out() -> None:
    assert [column for column, _ in first_cuts(_graph_of_stumps(ROOTS), categories=2, numbers=1)] == [0]
    assert not list(first_cuts(_graph_of_stumps(ROOTS), categories=9, numbers=9))


def test_rows_are_grouped_by_the_first_cut_and_then_by_the_next() -> None:
    edges = np.arange(1, GROUPS, dtype=np.float32)
    numeric = np.array([[2.5, 0.5], [0.5, 9.5], [2.5, 0.4], [np.nan, 0], [0.5, 3.5]], dtype=np.float32)

    order = branch_order(numeric, ((0, edges), (1, edges)))

    assert order.tolist() == [4, 1, 0, 2, 3]


class Scored:
    """In which way each matrix came to a session, and a clock that says it took `seconds`."""

    def __init__(self) -> None:
        self.ways: list[str] = []
        self.seconds = {"grouped": 0.0, "as they come": 0.0}
        self._worked = 0.0

    def clock(self) -> float:
        return self._worked

    def note(self, matrix: FeatureMatrix) -> None:
        grouped = _unrest(matrix) < _unrest(MATRIX) / 2
        self.ways.append("grouped" if grouped else "as they come")
        self._worked += self.seconds[self.ways[-1]]


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> Scored:
    """What sessions are given from here on."""
    found, score_matrix = Scored(), Scorer.score_matrix

    def noted(self: Scorer, matrix: FeatureMatrix) -> Floats:
        found.note(matrix)
        return score_matrix(self, matrix)

    monkeypatch.setattr(Scorer, "score_matrix", noted)
    return found


def _unrest(matrix: FeatureMatrix) -> float:
    """How much the number that the label depends on changes from one row to the next."""
    return float(np.nanmean(np.abs(np.diff(matrix.numeric[:, 0]))))


def _graph_of_stumps(roots: tuple[int, ...]) -> onnx.GraphProto:
    """A tree of one split for each root; only what is read of a tree ensemble."""
    node = onnx.helper.make_node(
        "TreeEnsembleRegressor",
        ["rows"],
        ["total"],
        domain="ai.onnx.ml",
        nodes_treeids=[tree for tree in range(len(roots)) for _ in range(3)],
        nodes_modes=["BRANCH_LT", "LEAF", "LEAF"] * len(roots),
        nodes_featureids=[place for root in roots for place in (root, 0, 0)],
        nodes_values=[value for tree in range(len(roots)) for value in (float(tree), 0.0, 0.0)],
    )
    return onnx.helper.make_graph([node], "stumps", [], [])
