"""Bulk scoring with the bundle that serves: Parquet in, Parquet out, logged as `batch` on demand."""
