"""Sweeps, comparisons and `replay`, the year relived. A leaf: it may import any room, and no room imports it."""
