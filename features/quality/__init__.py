"""Whether tables are fit to be used: checked when built and when written to the online store."""
