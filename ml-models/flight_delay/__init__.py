"""The worked problem: its spec, its candidates, its words for reasons."""
