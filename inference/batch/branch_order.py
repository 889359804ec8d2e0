"""Score trees faster: rows that take the same branches, one after the other.

A processor runs ahead along the branches that it expects, and expects what it met with the rows before. Where
rows come in any order, most of a tree ensemble's time goes into wrong guesses.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from statistics import median
from time import thread_time
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from contracts.bundle.contract import MODEL_FILE
from contracts.bundle.graph_walk import walk_nodes
from contracts.bundle.reader import Bundle
from contracts.matrix import FeatureMatrix, Floats, Numbers

# So many columns, each cut into so many groups: a row's group fits a byte, which is sorted fastest.
COLUMNS, GROUPS = 2, 16
# With fewer rows, a group has too few to learn from.
FEWEST_ROWS = 8 * GROUPS**COLUMNS
# A way counts by the median of as many of its last turns.
TRIALS = 3

# A numeric column of the matrix and the edges between its groups, ascending.
Cut = tuple[int, Numbers]
Way = Callable[[FeatureMatrix], Floats]


class BulkScorer:
    """A bundle's graph on one thread; trees get rows as they come or grouped, whichever takes them less.

    Rows in order of time are often alike as they come. A row's prediction does not depend on those beside it.
    Safe to call from several threads.
    """

    def __init__(self, bundle: Bundle, clock: Callable[[], float] = thread_time) -> None:
        """Open the graph; `clock` gives the seconds that the calling thread has worked.

        Raises:
            BundleError: it cannot be loaded.
        """
        self._as_they_come, self._clock = bundle.scorer(threads=1).score_matrix, clock
        graph = onnx.load_model_from_string(bundle.read(MODEL_FILE)).graph
        categories, numbers = len(bundle.contract.categorical), len(bundle.contract.numeric)
        self._cuts = tuple(islice(first_cuts(graph, categories, numbers), COLUMNS))
        self._taken: dict[Way, tuple[float, ...]] = {self._as_they_come: (), self.score_grouped: ()}

    def score_matrix(self, matrix: FeatureMatrix) -> Floats:
        """Predictions, float64 (N,), in the order of the rows."""
        if not self._cuts or len(matrix) < FEWEST_ROWS:
            return self._as_they_come(matrix)
        way = min(self._taken, key=self._expected)
        started = self._clock()
        predictions = way(matrix)
        seconds = (self._clock() - started) / len(matrix)
        self._taken[way] = (*self._taken[way], seconds)[-TRIALS:]
        return predictions

    def score_grouped(self, matrix: FeatureMatrix) -> Floats:
        """The same predictions, with the rows grouped on the way."""
        order = branch_order(matrix.numeric, self._cuts)
        predictions = np.empty(len(matrix))
        predictions[order] = self._as_they_come(matrix.rows(order))
        return predictions

    def _expected(self, way: Way) -> float:
        """Seconds a row, as of late; below zero, and so first, if it was tried too seldom."""
        taken = self._taken[way]
        return median(taken) if len(taken) == TRIALS else len(taken) - TRIALS


def branch_order(numeric: Numbers, cuts: tuple[Cut, ...]) -> npt.NDArray[np.int64]:
    """The places of the rows (N,), grouped by the first column's cuts, and within them by the next one's."""
    group = np.zeros(len(numeric), dtype=np.uint8)
    for column, edges in cuts:
        group = group * np.uint8(GROUPS) + np.searchsorted(edges, numeric[:, column]).astype(np.uint8)
    return np.argsort(group, kind="stable")


def first_cuts(graph: onnx.GraphProto, categories: int, numbers: int) -> Iterator[Cut]:
    """The numbers that the trees of a graph ask first, the most frequent before, cut among all their splits.

    It takes the trees to read the codes of the categories and then the numbers, as every family here exports
    them. Trees that read them otherwise are only scored in an order that helps less.
    """
    for node in walk_nodes(graph):
        given = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        if {"nodes_treeids", "nodes_values"} <= given.keys():
            feature, value, begins = _splits(given)
            for place, _ in Counter(feature[begins].tolist()).most_common():
                if categories <= place < categories + numbers:
                    yield place - categories, _edges(value[feature == place])


def _splits(given: Mapping[str, Any]) -> tuple[npt.NDArray[np.int64], Numbers, npt.NDArray[np.bool_]]:
    """Of each node that splits: the column, the value, and whether a tree begins there."""
    split = np.array(given["nodes_modes"]) != b"LEAF"
    begins = np.diff(given["nodes_treeids"], prepend=-1) != 0
    feature, value = np.array(given["nodes_featureids"]), np.array(given["nodes_values"], dtype=np.float32)
    return feature[split], value[split], begins[split]


def _edges(values: Numbers) -> Numbers:
    """What cuts the splits of a column into `GROUPS` groups of about as many."""
    return np.quantile(values, np.arange(1, GROUPS) / GROUPS).astype(np.float32)
