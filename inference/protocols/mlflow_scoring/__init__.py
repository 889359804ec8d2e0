"""MLflow's `/invocations`."""
