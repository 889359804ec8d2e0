"""Shapley values by their definition: every coalition of features, for tiny models."""

from collections.abc import Callable, Mapping
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np

from contracts.matrix import FeatureMatrix, Floats

Coalition = frozenset[int]
Value = Callable[[Coalition], float]


def brute_force(value: Value, features: int) -> list[float]:
    """Each feature's weighted mean of what it adds to every coalition of the others."""
    return [_one(value, features, feature) for feature in range(features)]


def _one(value: Value, features: int, feature: int) -> float:
    others = [other for other in range(features) if other != feature]
    total = 0.0
    for size in range(features):
        weight = factorial(size) * factorial(features - size - 1) / factorial(features)
        for chosen in combinations(others, size):
            without = frozenset(chosen)
            total += weight * (value(without | {feature}) - value(without))
    return total


def against_reference(
    score: Callable[[FeatureMatrix], Floats], row: FeatureMatrix, reference: FeatureMatrix
) -> Value:
    """A coalition's value: the mean score of the reference rows once they hold its features' values."""
    width = row.categorical.shape[1]

    def value(known: Coalition) -> float:
        taken = np.array([place in known for place in range(width + row.numeric.shape[1])])
        categorical = np.where(taken[:width], row.categorical, reference.categorical)
        numeric = np.where(taken[width:], row.numeric, reference.numeric).astype(np.float32)
        return float(score(FeatureMatrix(categorical, numeric)).mean())

    return value


def along_trees(trees: list[Mapping[str, Any]], row: Floats) -> Value:
    """A coalition's value: what the trees answer when unknown features follow the training rows' shares."""
    return lambda known: sum(_expected(tree, 0, row, known) for tree in trees)


def _expected(tree: Mapping[str, Any], node: int, row: Floats, known: Coalition) -> float:
    left, right = tree["left_children"][node], tree["right_children"][node]
    split, feature = tree["split_conditions"][node], tree["split_indices"][node]
    if left < 0:
        return float(split)
    if feature in known:
        missing = np.isnan(row[feature])
        goes_left = bool(tree["default_left"][node]) if missing else row[feature] < np.float32(split)
        return _expected(tree, left if goes_left else right, row, known)
    cover = tree["sum_hessian"]
    sides = ((child, cover[child] / cover[node]) for child in (left, right))
    return sum(share * _expected(tree, child, row, known) for child, share in sides)
