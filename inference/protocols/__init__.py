"""Other servers' protocols: adapters to the same core."""
