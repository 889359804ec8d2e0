"""The service, bulk scoring, edge bundles and rollouts: what answers, and what answers are worth."""
