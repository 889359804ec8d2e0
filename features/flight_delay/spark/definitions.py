"""The views and services of `features/flight_delay/definitions.py`, each view's history read by Spark."""

from features.flight_delay import definitions
from features.offline.spark_sources import read_on_spark
from features.settings import FeatureSettings

globals().update(read_on_spark(vars(definitions), FeatureSettings().tables))
