"""Builds the tables of the repository that the settings name, opens it, reads and checks its definitions."""
