"""Sweeps, comparisons and `replay`, the year relived. A leaf: it imports the rooms, no room imports it."""

import features as features  # before Feast, whose import it tames
