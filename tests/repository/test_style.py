"""The code keeps its shape: short functions, short files, rooms typed, names that say something."""

import ast
import statistics
from pathlib import Path

import pytest

from tests.repository.sources import ROOMS, ROOT, Function, list_functions, list_python_files, parse

LONGEST_FUNCTION = 40
MEDIAN_FUNCTION = 10
NINETIETH_PERCENTILE = 22
LONGEST_FILE = 400
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc"}

PYTHON_FILES = list_python_files()
ROOM_FILES = [path for folder in ROOMS.values() for path in list_python_files(folder)]


def describe(path: Path, node: ast.AST | None = None) -> str:
    place = path.relative_to(ROOT)
    return f"{place}:{getattr(node, 'lineno', 1)} {getattr(node, 'name', '')}".strip()


def count_lines(function: Function) -> int:
    """Lines from `def` to the end, without the docstring."""
    docstring = function.body[0] if ast.get_docstring(function) is not None else None
    documentation = 0 if docstring is None else (docstring.end_lineno or 0) - docstring.lineno + 1
    return (function.end_lineno or 0) - function.lineno + 1 - documentation


def is_untyped(function: Function) -> bool:
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    named = [argument for argument in arguments if argument.arg not in {"self", "cls"}]
    return function.returns is None or any(argument.annotation is None for argument in named)


def test_no_function_is_long() -> None:
    functions = [(path, function) for path in PYTHON_FILES for function in list_functions(path)]
    long = [describe(path, node) for path, node in functions if count_lines(node) > LONGEST_FUNCTION]
    assert not long, f"longer than {LONGEST_FUNCTION} lines; the missing name is the problem:\n" + "\n".join(
        long
    )


def test_functions_are_short_as_a_rule() -> None:
    lengths = [count_lines(function) for path in ROOM_FILES for function in list_functions(path)]
    assert statistics.median(lengths) < MEDIAN_FUNCTION
    assert statistics.quantiles(lengths, n=10)[-1] <= NINETIETH_PERCENTILE


def test_every_function_is_typed() -> None:
    functions = [(path, function) for path in ROOM_FILES for function in list_functions(path)]
    untyped = [describe(path, node) for path, node in functions if is_untyped(node)]
    assert not untyped, "annotate every argument and the result:\n" + "\n".join(untyped)


def test_no_file_is_long() -> None:
    long = [describe(path) for path in PYTHON_FILES if len(path.read_text().splitlines()) > LONGEST_FILE]
    assert not long, f"longer than {LONGEST_FILE} lines; one file, one idea:\n" + "\n".join(long)


def test_every_file_says_its_idea_first() -> None:
    silent = [
        describe(path) for path in PYTHON_FILES if path.read_text() and not ast.get_docstring(parse(path))
    ]
    assert not silent, "start these with a docstring that says which idea they hold:\n" + "\n".join(silent)


def test_no_name_is_empty_of_meaning() -> None:
    empty = [describe(path) for path in PYTHON_FILES if EMPTY_NAMES & set(path.stem.split("_"))]
    assert not empty


@pytest.mark.parametrize(
    ("source", "lines", "untyped"),
    [
        ("def f(a: int) -> int:\n    return a\n", 2, False),
        ('def f() -> None:\n    """Doc.\n\n    More.\n    """\n    pass\n', 2, False),
        ("def f(a) -> int:\n    return a\n", 2, True),
        ("def f(self):\n    return 1\n", 2, True),
    ],
)
def test_the_measure_is_right(source: str, lines: int, untyped: bool) -> None:
    function = ast.parse(source).body[0]
    assert isinstance(function, Function)
    assert count_lines(function) == lines
    assert is_untyped(function) is untyped
