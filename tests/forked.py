"""Processes forked off one that has its imports done: what dies in a test has started in a moment."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from typing import Any

# One fork server serves a whole test process, whichever test starts it: so it imports what any of them needs.
PRELOADED = [
    *(
        "features.__main__",
        "features.repository.feature_store",
        "features.offline.store",
        "features.offline.write",
    ),
    *("features.quality.views", "pandera.backends.pandas.register", "features.online.reader"),
    *("features.online.redis_rows", "features.online.postgres_rows"),
    *(
        "inference.app",
        "inference.model_loading.served_model",
        "inference.server",
        "inference.batch",
        "mlflow",
    ),
]
FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload(PRELOADED)


def fork_off(work: Callable[..., object], *arguments: Any) -> ForkServerProcess:
    """A started process that does this work and ends with the tests' own."""
    process = FORKING.Process(target=work, args=arguments, daemon=True)
    process.start()
    return process
