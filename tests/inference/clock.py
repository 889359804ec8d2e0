"""Time that passes when a test says so."""


class Clock:
    """What stands in for `monotonic` and its like."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """The time now, in seconds."""
        return self.now
