"""Micro-batches: who comes together is answered together, each with its own; errors harm only their owner."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.prediction.micro_batching import MOST_LOOKS, MicroBatcher

MAX_BATCH_SIZE = 8


class FaultyRowError(Exception):
    """What a faulty row raises."""


@dataclass(frozen=True)
class Row:
    """Rows that one caller asks for: its number, how many, and whether they cannot be answered."""

    number: int
    size: int = 1
    faulty: bool = False


@dataclass
class Model:
    """Answers each caller with its own number, tens of times; remembers the batches."""

    batches: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)

    def answer(self, key: str, rows: Sequence[Row]) -> list[str]:
        self.batches.append((key, tuple(row.number for row in rows)))
        if any(row.faulty for row in rows):
            raise FaultyRowError(key)
        return [f"{key}{row.number}" for row in rows]

    async def answer_later(self, key: str, rows: Sequence[Row]) -> list[str]:
        await asyncio.sleep(0)
        return self.answer(key, rows)


Answer = Callable[[str, Sequence[Row]], Awaitable[list[str]] | list[str]]


def run(scenario: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(scenario, 30))


def batcher_of(answer: Answer) -> MicroBatcher[str, Row, str]:
    return MicroBatcher[str, Row, str](answer, MAX_BATCH_SIZE)


def test_callers_of_one_turn_share_a_batch() -> None:
    model = Model()

    async def scenario() -> list[str]:
        batcher = batcher_of(model.answer)
        return await asyncio.gather(*(ask(batcher, number) for number in range(5)))

    async def ask(batcher: MicroBatcher[str, Row, str], number: int) -> str:
        return await batcher.submit("a", Row(number))

    assert run(scenario()) == [f"a{number}" for number in range(5)]
    assert model.batches == [("a", (0, 1, 2, 3, 4))]


def test_a_lone_caller_waits_for_nobody() -> None:
    model = Model()

    async def scenario() -> int:
        answer = batcher_of(model.answer).submit("a", Row(0))
        turns = 0
        while not answer.done():
            turns += 1
            await asyncio.sleep(0)
        return turns

    assert run(scenario()) == 1


def test_whoever_is_late_by_a_moment_still_joins() -> None:
    model = Model()

    async def scenario() -> list[str]:
        batcher = batcher_of(model.answer)
        return await asyncio.gather(*(ask(batcher, number) for number in range(3)))

    async def ask(batcher: MicroBatcher[str, Row, str], number: int) -> str:
        for _ in range(number // 2):  # the last comes in the turn after the others'
            await asyncio.sleep(0)
        return await batcher.submit("a", Row(number))

    assert run(scenario()) == ["a0", "a1", "a2"]
    assert model.batches == [("a", (0, 1, 2))]


def test_a_stream_of_callers_does_not_hold_the_first_up() -> None:
    model = Model()

    async def scenario() -> list[str]:
        batcher = batcher_of(model.answer)
        answers = []
        for number in range(MAX_BATCH_SIZE):  # one in every turn
            answers.append(batcher.submit("a", Row(number)))
            await asyncio.sleep(0)
        return await asyncio.gather(*answers)

    assert run(scenario()) == [f"a{number}" for number in range(MAX_BATCH_SIZE)]
    assert max(len(numbers) for _, numbers in model.batches) <= MOST_LOOKS + 1


def test_a_full_batch_leaves_the_rest_for_the_next() -> None:
    model = Model()

    async def scenario() -> list[str]:
        batcher = batcher_of(model.answer)
        return await asyncio.gather(*(batcher.submit("a", Row(number, size=3)) for number in range(5)))

    assert run(scenario()) == [f"a{number}" for number in range(5)]
    assert [numbers for _, numbers in model.batches] == [(0, 1), (2, 3), (4,)]


def test_one_that_is_larger_than_a_batch_is_answered_alone() -> None:
    model = Model()

    async def scenario() -> list[str]:
        batcher = batcher_of(model.answer)
        sizes = (1, MAX_BATCH_SIZE + 1, 1)
        return await asyncio.gather(*(batcher.submit("a", Row(n, size)) for n, size in enumerate(sizes)))

    assert run(scenario()) == ["a0", "a1", "a2"]
    assert [numbers for _, numbers in model.batches] == [(0,), (1,), (2,)]


def test_no_batch_mixes_keys() -> None:
    model = Model()

    async def scenario() -> list[str]:
        batcher = batcher_of(model.answer)
        return await asyncio.gather(*(batcher.submit("ab"[number % 2], Row(number)) for number in range(4)))

    assert run(scenario()) == ["a0", "b1", "a2", "b3"]
    assert sorted(model.batches) == [("a", (0, 2)), ("b", (1, 3))]


@pytest.mark.parametrize("later", [False, True])
def test_an_error_reaches_only_whoever_caused_it(later: bool) -> None:
    model = Model()

    async def scenario() -> list[Any]:
        batcher = batcher_of(model.answer_later if later else model.answer)
        asked = [batcher.submit("a", Row(number, faulty=number == 1)) for number in range(3)]
        return await asyncio.gather(*asked, return_exceptions=True)

    first, second, third = run(scenario())
    assert (first, third) == ("a0", "a2")
    assert isinstance(second, FaultyRowError)
    assert [numbers for _, numbers in model.batches] == [(0, 1, 2), (0,), (1,), (2,)]


@dataclass
class Listener:
    """Takes down what it is told; may refuse to hear."""

    refuses: bool = False
    gone: bool = False
    told: list[Any] = field(default_factory=list)

    def answered(self, answer: str) -> None:
        if self.refuses:
            raise FaultyRowError(answer)
        self.told.append(answer)

    def failed(self, error: Exception) -> None:
        self.told.append(type(error))


@pytest.mark.parametrize("later", [False, True])
def test_whoever_listens_is_told_once_whatever_becomes_of_the_others(later: bool) -> None:
    model = Model()
    listeners = [Listener(), Listener(), Listener(refuses=True), Listener(gone=True), Listener()]

    async def scenario() -> None:
        batcher = batcher_of(model.answer_later if later else model.answer)
        for number, listener in enumerate(listeners):
            batcher.enter("a", Row(number, faulty=number == 1), listener)
        await batcher.submit("a", Row(len(listeners)))

    run(scenario())
    assert [listener.told for listener in listeners] == [["a0"], [FaultyRowError], [], [], ["a4"]]


@pytest.mark.parametrize("later", [False, True])
def test_whoever_gives_up_harms_nobody(later: bool) -> None:
    model = Model()

    async def scenario() -> list[Any]:
        batcher = batcher_of(model.answer_later if later else model.answer)
        asked = [asyncio.ensure_future(batcher.submit("a", Row(number))) for number in range(3)]
        asked[1].cancel()
        return await asyncio.gather(*asked, return_exceptions=True)

    first, second, third = run(scenario())
    assert (first, third) == ("a0", "a2")
    assert isinstance(second, asyncio.CancelledError)
    assert model.batches == [("a", (0, 2))]


def test_whoever_gives_up_while_being_answered_harms_nobody() -> None:
    model = Model()

    async def scenario() -> list[Any]:
        batcher = batcher_of(model.answer_later)
        asked = [asyncio.ensure_future(batcher.submit("a", Row(number))) for number in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asked[0].cancel()
        return await asyncio.gather(*asked, return_exceptions=True)

    assert run(scenario())[1:] == ["a1", "a2"]
    assert model.batches == [("a", (0, 1, 2))]


@dataclass(frozen=True)
class Caller:
    """Asks after some turns of the loop, and perhaps gives up some turns later."""

    key: str
    size: int
    faulty: bool
    comes: int
    leaves: int | None


callers = st.lists(
    st.builds(
        Caller,
        key=st.sampled_from("ab"),
        size=st.integers(1, MAX_BATCH_SIZE + 2),
        faulty=st.integers(0, 4).map(lambda one_in_five: one_in_five == 0),
        comes=st.integers(0, 5),
        leaves=st.none() | st.integers(0, 3),
    ),
    max_size=20,
)


@settings(max_examples=150)
@given(callers=callers, later=st.booleans())
def test_answers_are_never_swapped_however_callers_come_and_go(callers: list[Caller], later: bool) -> None:
    model = Model()

    async def call(batcher: MicroBatcher[str, Row, str], number: int, caller: Caller) -> str:
        for _ in range(caller.comes):
            await asyncio.sleep(0)
        asking = asyncio.ensure_future(batcher.submit(caller.key, Row(number, caller.size, caller.faulty)))
        for _ in range(caller.leaves or 0):
            await asyncio.sleep(0)
        if caller.leaves is not None:
            asking.cancel()
        return await asking

    async def scenario() -> list[Any]:
        batcher = batcher_of(model.answer_later if later else model.answer)
        calls = [call(batcher, number, caller) for number, caller in enumerate(callers)]
        return await asyncio.gather(*calls, return_exceptions=True)

    for number, (caller, answered) in enumerate(zip(callers, run(scenario()), strict=True)):
        if isinstance(answered, asyncio.CancelledError):
            assert caller.leaves is not None
        elif caller.faulty:
            assert isinstance(answered, FaultyRowError)
        else:
            assert answered == f"{caller.key}{number}"
    for key, numbers in model.batches:
        assert {callers[number].key for number in numbers} == {key}
        assert len(numbers) == 1 or sum(callers[number].size for number in numbers) <= MAX_BATCH_SIZE
