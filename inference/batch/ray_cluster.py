"""Score parts on a Ray cluster: one actor per processor, each with the job opened once.

Every machine must see the same files: the input, the folder of the parts, and `var`.
"""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from inference.batch.errors import ClusterError, RayMissingError
from inference.batch.inputs import Part
from inference.batch.job import BatchJob
from inference.batch.part_scoring import PartScorer

LOCAL = "local"
OBJECT_STORE_BYTES = 80 * 2**20
RETRIES = 3


class RemoteScorer:
    """A job opened in one of Ray's processes, which scores with one thread."""

    def __init__(self, job: BatchJob) -> None:
        self._scorer = PartScorer(job, threads=1)

    def score(self, part: Part) -> Path:
        """Score and keep a part where every machine finds it."""
        return self._scorer.score(part)


def score_on_ray(job: BatchJob, parts: Sequence[Part], address: str) -> Iterator[Path]:
    """Score the parts on the cluster at `address`, or on one started here; their files, in order.

    Raises:
        RayMissingError: Ray is not installed.
        ClusterError: the cluster cannot be reached, or loses a part more than `RETRIES` times.
        BatchInputError, ScoringError: as where it runs without Ray.
    """
    if not parts:
        return
    ray = _import_ray()
    with _connected(ray, address):
        actor = ray.remote(num_cpus=1, max_restarts=RETRIES, max_task_retries=RETRIES)(RemoteScorer)
        count = min(len(parts), max(1, int(ray.cluster_resources().get("CPU", 1))))
        pool = ray.util.ActorPool([actor.remote(job) for _ in range(count)])
        try:
            yield from pool.map(lambda scorer, part: scorer.score.remote(part), parts)
        except ray.exceptions.RayTaskError as error:
            raise error.cause or ClusterError(str(error)) from None
        except ray.exceptions.RayError as error:
            raise ClusterError(
                f"the cluster lost a part ({error}); run again, it goes on from there"
            ) from error


def _import_ray() -> Any:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
        import ray.util
    except ImportError as error:
        raise RayMissingError(
            "Ray is not installed; install the extra: pip install 'roundtrip[ray]'"
        ) from error
    return ray


@contextmanager
def _connected(ray: Any, address: str) -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:
        try:
            with _importable_there():
                ray.init(
                    **(_local(folder) if address == LOCAL else {"address": address}), log_to_driver=False
                )
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ClusterError(f"no Ray cluster at {address!r} ({error}); give another --ray") from error
        try:
            yield
        finally:
            ray.shutdown()


@contextmanager
def _importable_there() -> Iterator[None]:
    """Let the processes of a cluster that is started meanwhile import what this one can."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    try:
        yield
    finally:
        del os.environ["PYTHONPATH"]
        if before is not None:
            os.environ["PYTHONPATH"] = before


def _local(folder: str) -> dict[str, Any]:
    """A cluster of this machine's processors."""
    return {
        "num_cpus": len(os.sched_getaffinity(0)),
        "include_dashboard": False,
        "object_store_memory": OBJECT_STORE_BYTES,
        "_temp_dir": folder,
    }
