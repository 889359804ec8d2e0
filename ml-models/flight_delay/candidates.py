"""The model families that compete for this problem, with the hyper-parameters chosen for it."""

from training.estimators.base import Estimator
from training.estimators.base_rate import BaseRateEstimator
from training.estimators.linear import LinearEstimator
from training.estimators.network import NetworkEstimator
from training.estimators.xgboost_trees import BoostedTreesEstimator

CANDIDATES: tuple[Estimator, ...] = (
    BaseRateEstimator(task="binary"),
    LinearEstimator(task="binary", maximum_rows=60_000),
    BoostedTreesEstimator(
        task="binary",
        rounds=200,
        learning_rate=0.1,
        min_child_weight=100.0,
        colsample_bytree=0.25,
        max_bin=64,
    ),
    NetworkEstimator(task="binary", hidden=(64, 32), batch=2_048, epochs=4, maximum_rows=60_000),
)
