"""Windows and aggregations, declared once; computed over history, and kept up to date by events."""
