"""History: Feast's offline store as DuckDB as-of joins."""
