"""Which worker gets which tests, and in what order."""

from collections import defaultdict
from pathlib import Path, PurePosixPath

import pytest
from xdist.scheduler import LoadFileScheduling

# Files that use one Spark, one Prefect server: by how their names start.
TOGETHER = {"test_spark_": "spark", "test_deployment": "prefect", "test_trigger": "prefect"}


class LoadRooms(LoadFileScheduling):
    """A file's tests stay on one worker, and so do those of the files in `TOGETHER`."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        name = PurePosixPath(file).name
        return next((room for start, room in TOGETHER.items() if name.startswith(start)), file)


def put_longest_first(items: list[pytest.Item]) -> None:
    """Begin with the files whose tests may take longest, by their timeout; none is left for the end."""
    longest: dict[Path, float] = defaultdict(float)
    for item in items:
        mark = item.get_closest_marker("timeout")
        longest[item.path] = max(longest[item.path], mark.args[0] if mark else 0.0)
    items.sort(key=lambda item: -longest[item.path])
