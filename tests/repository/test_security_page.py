"""SECURITY.md is true: every promise names the tests that show it, and they are there."""

import re

from tests.repository.sources import ROOT, list_functions

PROMISE = re.compile(r"^\| (?P<promise>[^|]+) \| (?P<tests>[^|]+) \|$", re.MULTILINE)
TEST = re.compile(r"`(?P<file>tests/[\w/]+\.py)::(?P<name>test_\w+)`")


def read_promises() -> dict[str, list[tuple[str, str]]]:
    """Each promise, with file and name of the tests that show it."""
    rows = PROMISE.findall((ROOT / "SECURITY.md").read_text())
    return {promise: TEST.findall(tests) for promise, tests in rows if promise != "Promise"}


def test_every_promise_names_a_test() -> None:
    promises = read_promises()
    assert promises
    assert [promise for promise, tests in promises.items() if not tests] == []


def test_every_test_named_is_there() -> None:
    named = {pair for tests in read_promises().values() for pair in tests}
    there = {
        (file, test.name) for file in {file for file, _ in named} for test in list_functions(ROOT / file)
    }
    assert named - there == set()
