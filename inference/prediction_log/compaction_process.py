"""Seals the segments of a folder that are named after it, beside a busy service: takes what it leaves idle.

The priority comes before the imports, which take as long as sealing some ten thousand lines.
"""

import gc
import os
import sys
from pathlib import Path
from typing import Final

LOW_PRIORITY: Final = 15


def step_back() -> None:
    """Run when nothing else would. Where the system has no such class, at a low priority."""
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    else:
        os.nice(LOW_PRIORITY)


if __name__ == "__main__":
    step_back()
    from inference.prediction_log.compaction import seal_all

    gc.disable()  # lines by the hundred thousand, and none refers to another
    folder, *paths = map(Path, sys.argv[1:])
    sys.exit(bool(seal_all(folder, paths)))
