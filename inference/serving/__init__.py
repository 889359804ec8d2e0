"""What is served: a version opened and warmed, and the watcher that follows the registry's aliases."""
