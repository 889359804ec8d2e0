"""Raw data to feature tables, and one definition of each feature, offline and online."""

import sys

# Before Feast, whose import switches a `prometheus_client` that comes later to files shared by processes:
# every registry of this process would then count into the same figures.
import prometheus_client as prometheus_client

from features.feast_import import LightFeastFinder

sys.meta_path.insert(0, LightFeastFinder())
