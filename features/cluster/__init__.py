"""The same feature tables on Spark, for when one machine is not enough."""
