"""The model families that compete for this problem, with the hyper-parameters chosen for it."""

from training.estimators.base import Estimator
from training.estimators.base_rate import BaseRateEstimator
from training.estimators.boosted_trees import BoostedTreesEstimator
from training.estimators.linear import LinearEstimator
from training.estimators.network import NetworkEstimator

CANDIDATES: tuple[Estimator, ...] = (
    BaseRateEstimator(task="binary"),
    LinearEstimator(task="binary"),
    BoostedTreesEstimator(task="binary"),
    NetworkEstimator(task="binary"),
)
