"""The views and services of `features/definitions.py`, each view's history read by Spark."""

from features import definitions
from features.cluster.sources import read_on_spark
from features.settings import FeatureSettings

globals().update(read_on_spark(vars(definitions), FeatureSettings().tables))
