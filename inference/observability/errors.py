"""What keeps the service from being observed as configured."""


class TracingUnavailableError(Exception):
    """Traces are asked for, but the library that sends them is not installed."""
