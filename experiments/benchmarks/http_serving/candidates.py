"""The family that serving is measured with."""

from training.estimators.base import Estimator
from training.estimators.base_rate import BaseRateEstimator
from training.estimators.xgboost_trees import BoostedTreesEstimator

ROUNDS = 300
CANDIDATES: tuple[Estimator, ...] = (
    BaseRateEstimator(task="binary"),
    BoostedTreesEstimator(task="binary", rounds=ROUNDS, patience=ROUNDS),
)
