"""Whether tables are fit to be used: checked when built and when written to the online store."""

from features.quality.rows import SCHEMAS, check_table

__all__ = ["SCHEMAS", "check_table"]
