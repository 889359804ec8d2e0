"""Opens and applies the Feast repository that the settings name."""
