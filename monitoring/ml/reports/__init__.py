"""Reports written for people: rendered in the background, kept in Evidently's workspace."""
