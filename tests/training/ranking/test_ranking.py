"""Permutation importance finds what carries the label; the ranking tells what is stable from chance."""

import numpy as np
import pytest

from contracts.matrix import FeatureMatrix
from contracts.problem import Task
from features.schema.feature_column import FeatureColumn
from tests.second_problem.problem import PROBLEM
from tests.training.tabular_rows import COLUMNS, make_rows
from training.estimators.base import Dataset
from training.estimators.xgboost_trees import BoostedTreesEstimator
from training.ranking.importance import (
    RankedFeature,
    WindowImportance,
    permutation_importance,
    proposed_drops,
    rank_features,
)

METRICS: dict[Task, str] = {"binary": "log_loss", "regression": "rmse"}


def window(noise: float, **importance: float) -> WindowImportance:
    return WindowImportance(start="2024-01-01", rows=100, metric=0.5, noise=noise, importance=importance)


def ranked(*windows: WindowImportance, previous: dict[str, int] | None = None) -> dict[str, RankedFeature]:
    columns = [FeatureColumn(name=name, kind="numeric") for name in windows[0].importance]
    return {feature.name: feature for feature in rank_features(columns, windows, previous)}


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_shuffling_costs_where_the_label_depends_on_it(task: Task) -> None:
    # Given a model of rows whose label follows from weight and shape, and rows that it has not seen
    learned, held = make_rows(task, 4_000, seed=1), make_rows(task, 4_000, seed=2)
    model = BoostedTreesEstimator(task, rounds=60).fit(learned, learned, COLUMNS, seed=0)
    problem = PROBLEM.model_copy(update={"task": task, "primary_metric": METRICS[task]})

    # When
    whole, importance = permutation_importance(
        model, held, COLUMNS, problem, repeats=2, generator=np.random.default_rng(3)
    )

    # Then
    assert set(importance) == {column.name for column in COLUMNS}
    assert max(importance, key=importance.__getitem__) == "weight"
    assert importance["shape"] > 0.01 * whole
    assert importance["never_seen"] == 0.0


def test_the_rows_themselves_are_left_as_they_were() -> None:
    held = make_rows("binary", 500, seed=4)
    before = FeatureMatrix(held.matrix.categorical.copy(), held.matrix.numeric.copy())
    model = BoostedTreesEstimator("binary", rounds=5).fit(held, held, COLUMNS, seed=0)
    problem = PROBLEM.model_copy(update={"task": "binary", "primary_metric": "log_loss"})

    first = permutation_importance(model, held, COLUMNS, problem, 1, np.random.default_rng(1))

    np.testing.assert_array_equal(held.matrix.categorical, before.categorical)
    np.testing.assert_array_equal(held.matrix.numeric, before.numeric)
    assert first == permutation_importance(model, held, COLUMNS, problem, 1, np.random.default_rng(1))


def test_a_metric_that_is_better_when_higher_ranks_alike() -> None:
    held = make_rows("binary", 3_000, seed=5)
    model = BoostedTreesEstimator("binary", rounds=40).fit(make_rows("binary", seed=6), held, COLUMNS, seed=0)
    by_metric = {}
    for metric in ("log_loss", "roc_auc"):
        problem = PROBLEM.model_copy(update={"task": "binary", "primary_metric": metric})
        _, by_metric[metric] = permutation_importance(
            model, held, COLUMNS, problem, 1, np.random.default_rng(1)
        )
    assert by_metric["roc_auc"]["weight"] > by_metric["roc_auc"]["never_seen"] == 0.0
    assert by_metric["log_loss"]["weight"] > 0


def test_features_are_ranked_by_their_mean_and_advised_by_their_stability() -> None:
    found = ranked(
        window(0.01, strong=0.5, shaky=0.02, unused=0.0, chance=0.005, harmful=-0.02),
        window(0.02, strong=0.3, shaky=0.001, unused=0.0, chance=0.004, harmful=0.01),
    )

    assert [found[name].rank for name in ("strong", "shaky", "chance", "unused", "harmful")] == [
        1,
        2,
        3,
        4,
        5,
    ]
    assert found["strong"].advice == "keep"
    assert found["strong"].std == pytest.approx(0.1)
    assert {name: feature.advice for name, feature in found.items() if name != "strong"} == dict.fromkeys(
        ("shaky", "unused", "chance", "harmful"), "drop"
    )
    assert (found["shaky"].beyond_noise, found["shaky"].hurts) == (0.5, 1.0)
    assert "50% of windows only" in found["shaky"].reason
    assert "never uses it" in found["unused"].reason
    assert "never costs more" in found["chance"].reason
    assert "shuffling it helps" in found["harmful"].reason
    assert proposed_drops(list(found.values())) == ["harmful", "unused", "chance", "shaky"]


def test_moves_are_places_gained_since_the_last_ranking() -> None:
    found = ranked(window(0.0, up=3.0, down=2.0, fresh=1.0), previous={"down": 1, "up": 2, "gone": 3})
    assert (found["up"].moved, found["down"].moved, found["fresh"].moved) == (1, -1, None)


def test_one_column_alone_can_be_ranked() -> None:
    column = (FeatureColumn(name="only", kind="numeric"),)
    values = np.random.default_rng(0).normal(size=(400, 1)).astype(np.float32)
    rows = Dataset(FeatureMatrix(np.empty((400, 0), dtype=object), values), values[:, 0].astype(np.float64))
    model = BoostedTreesEstimator("regression", rounds=20).fit(rows, rows, column, seed=0)
    _, importance = permutation_importance(model, rows, column, PROBLEM, 1, np.random.default_rng(1))
    assert importance["only"] > 0
