"""The monitor as a server: its HTTP API and what Prometheus scrapes."""
