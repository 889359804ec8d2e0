"""What is served: a version opened and warmed, and the follower of the registry's aliases."""
