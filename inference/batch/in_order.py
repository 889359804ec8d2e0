"""Work that runs ahead in a pool, its results in the order of the work."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    start: Callable[[Item], Callable[[], Result]], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    """What each item's work comes to; at most `ahead` items are taken before their results are.

    `start` begins the work, such as `pool.submit` does, and returns what waits for its result.
    """
    waiting: deque[Callable[[], Result]] = deque()
    for item in items:
        waiting.append(start(item))
        if len(waiting) >= ahead:
            yield waiting.popleft()()
    while waiting:
        yield waiting.popleft()()
