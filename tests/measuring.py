"""What coverage is measured of: the tests' own process, and what tests mark.

The tracer makes Python half as fast, and most tests start processes or run code that others measure.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import coverage
import pytest

# What coverage tells processes that are started to measure themselves by.
PROCESSES = "COVERAGE_PROCESS_CONFIG"


@contextmanager
def measured_as_marked(item: pytest.Item) -> Iterator[None]:
    """Measure inside, fixtures included, what the markers `unmeasured` and `measured_processes` say."""
    processes = None if item.get_closest_marker("measured_processes") else os.environ.pop(PROCESSES, None)
    running = coverage.Coverage.current() if item.get_closest_marker("unmeasured") else None
    if running is not None:
        running.stop()
    try:
        yield
    finally:
        if running is not None:
            running.start()
        if processes is not None:
            os.environ[PROCESSES] = processes
