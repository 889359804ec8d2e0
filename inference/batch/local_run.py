"""Score parts in this process: a few at a time, so that one is read while another is scored."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from inference.batch.in_order import in_order
from inference.batch.inputs import Part
from inference.batch.job import BatchJob
from inference.batch.part_scoring import PartScorer

# While one waits for the interpreter's lock to make its arrays, another scores.
SPARE_THREADS = 1


def score_locally(job: BatchJob, parts: Sequence[Part], threads: int | None = None) -> Iterator[Path]:
    """Score the parts with `threads` threads (enough for every core if not said); their files, in order."""
    with (
        PartScorer(job, threads or len(os.sched_getaffinity(0)) + SPARE_THREADS) as scorer,
        ThreadPoolExecutor(scorer.parts_at_once, thread_name_prefix="batch-part") as pool,
    ):
        try:
            ahead = scorer.parts_at_once + 1
            yield from in_order(lambda part: pool.submit(scorer.score, part).result, parts, ahead)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
