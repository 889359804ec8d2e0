"""The present: rows by key in SQLite, Redis or PostgreSQL, and reading them for requests."""
