"""Watching what was served."""
