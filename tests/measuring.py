"""Tests that run without the coverage tracer, which makes Python half as fast."""

from collections.abc import Iterator
from contextlib import contextmanager

import coverage
import pytest


@contextmanager
def measured_unless_marked(item: pytest.Item) -> Iterator[None]:
    """Measure no coverage inside, its fixtures included, if the test is marked `unmeasured`."""
    running = coverage.Coverage.current() if item.get_closest_marker("unmeasured") else None
    if running is None:
        yield
        return
    running.stop()
    try:
        yield
    finally:
        running.start()
