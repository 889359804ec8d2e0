"""Where the tables of a repository are computed: DuckDB in this process, or Spark."""
