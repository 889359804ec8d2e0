"""The append-only log of answers: segments written before the answer, compacted to Parquet."""
