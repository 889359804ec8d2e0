"""What every room shares: the problem spec, the model bundle, the registry and its aliases."""
