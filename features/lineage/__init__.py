"""From raw file to model version: OpenLineage events, written as things are made, read back as one graph."""
