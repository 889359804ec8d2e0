"""Shadow, canary and A/B rollouts: policy, evidence, verdict."""
