"""The worked problem's features: its raw files, tables, events, expectations, and its Feast repository."""
