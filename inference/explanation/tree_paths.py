"""A tree ensemble as its leaves' paths: which features a path asks, within what bounds, with what share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from contracts.matrix import Floats, Numbers
from inference.explanation.tree_file import LEAF, Tree

SMALLEST_SHARE = 1e-12
# Of each side of a split that no row's weight reached.
EVEN = 0.5


@dataclass(frozen=True)
class Condition:
    """What a path asks of one feature: `low <= value < high`, or missing where that goes the same way.

    `share` is how many of the training rows that reach the feature's splits go on along the path.
    """

    low: float = -np.inf
    high: float = np.inf
    missing: bool = True
    share: float = 1.0


Path = dict[int, Condition]


@dataclass(frozen=True)
class TreePaths:
    """The L leaves of all trees. Each array is (L, D), D the most features on a path.

    `leaf` is (L,). A spare place holds with any value and has the share one, so that it contributes nothing.
    """

    leaf: Floats
    feature: npt.NDArray[np.int64]
    low: Numbers
    high: Numbers
    missing: npt.NDArray[np.bool_]
    share: Floats

    @classmethod
    def of(cls, trees: Sequence[Tree]) -> TreePaths:
        """Follow every path of XGBoost's trees (`left` when `value < split`, a missing value as learned)."""
        found = [path for tree in trees for path in walk_tree(tree)]
        depth = max([1, *(len(conditions) for _, conditions in found)])
        padded = [_pad(conditions, depth) for _, conditions in found]
        features = np.array([[feature for feature, _ in row] for row in padded], np.int64).reshape(-1, depth)
        return cls(np.array([leaf for leaf, _ in found], np.float64), features, *_columns(padded, depth))


def walk_tree(tree: Tree) -> Iterator[tuple[float, Path]]:
    """Each leaf's value with the conditions on the way to it, one for each feature that is asked."""
    left, right, feature = tree.left_children, tree.right_children, tree.split_indices
    # In single precision, as XGBoost holds them: its file says no more digits than that takes.
    split, cover = (
        np.asarray(numbers, np.float32).tolist() for numbers in (tree.split_conditions, tree.sum_hessian)
    )
    waiting: list[tuple[int, Path]] = [(0, {})]
    while waiting:
        node, path = waiting.pop()
        if left[node] == LEAF:
            yield split[node], path
            continue
        before = path.get(feature[node], Condition())
        for child in (left[node], right[node]):
            goes_left = child == left[node]
            after = replace(
                before,
                high=min(before.high, split[node]) if goes_left else before.high,
                low=before.low if goes_left else max(before.low, split[node]),
                missing=before.missing and tree.default_left[node] == goes_left,
                share=before.share * (cover[child] / cover[node] if cover[node] else EVEN),
            )
            waiting.append((child, {**path, feature[node]: after}))


def _pad(path: Path, depth: int) -> list[tuple[int, Condition]]:
    return [*path.items(), *[(0, Condition())] * (depth - len(path))]


def _columns(
    rows: list[list[tuple[int, Condition]]], depth: int
) -> tuple[Numbers, Numbers, npt.NDArray[np.bool_], Floats]:
    low, high, missing, share = (
        np.array([[getattr(condition, name) for _, condition in row] for row in rows]).reshape(-1, depth)
        for name in ("low", "high", "missing", "share")
    )
    share = np.maximum(share.astype(np.float64), SMALLEST_SHARE)
    return low.astype(np.float32), high.astype(np.float32), missing.astype(np.bool_), share
