"""What a Feast repository declares, in plain types: features, request fields, services, on-demand views."""
