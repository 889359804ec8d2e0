"""The map of the code: rooms, what is in each, their order, and whether anything imports against it.

`make map` prints it, and fails where it finds a circle or an engine module that imports a problem, for which
`make lint` runs it too. Imports inside functions and for type checkers count.
"""

import ast
import random
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import mean
from typing import Any, Final

import grimp

from features.settings import default_problem, repository_of

ROOT: Final = Path(__file__).resolve().parents[2]
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LINTER: Final[Mapping[str, Any]] = PROJECT["tool"]["importlinter"]
PROBLEM: Final = repository_of(default_problem()).name
CACHE: Final = str(ROOT / ".import_linter_cache")
WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
DRAWN, DRAWS = 600, 20


def read_graph() -> grimp.ImportGraph:
    """Every module of every room, with what it imports."""
    return grimp.build_graph(*LINTER["root_packages"], cache_dir=CACHE)


def find_circle(graph: grimp.ImportGraph) -> list[str]:
    """Return the modules of one circle, each imported by the next; empty where there is none."""
    imported = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    try:
        TopologicalSorter(imported).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def find_problem_imports(graph: grimp.ImportGraph) -> list[str]:
    """Return the imports of a problem's modules by the engine's, as `importer -> imported`."""
    theirs = {name for name in graph.modules if PROBLEM in name.split(".")}
    return sorted(
        f"{importer} -> {name}"
        for name in theirs
        for importer in graph.find_modules_that_directly_import(name) - theirs
    )


def describe(graph: grimp.ImportGraph) -> Iterator[str]:
    """Draw each declared order from the top, a line for each member: its modules, and what it says it is."""
    for contract in LINTER["contracts"]:
        if contract["type"] == "layers":
            for container in contract.get("containers", [""]):
                yield f"{container or 'rooms'}: a line imports only lines below it"
                for layer in contract["layers"]:
                    yield from _describe_layer(graph, container, re.split(r" [|:] ", layer))


def _describe_layer(graph: grimp.ImportGraph, container: str, members: Iterable[str]) -> Iterator[str]:
    for member in (each.strip("()") for each in members):
        name = f"{container}.{member}".lstrip(".")
        if name in graph.modules:
            modules = [name, *graph.find_descendants(name)]
            yield f"  {member:<16} {len(modules):>4}  {_first_line(name)}"


def _first_line(module: str) -> str:
    place = Path(*module.split("."))
    roots = [ROOT / place, ROOT / "ml-models" / place]
    files = [file for root in roots for file in (root / "__init__.py", root.with_suffix(".py"))]
    text = next(file for file in files if file.is_file()).read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]


def distinct_words(package: Path) -> float:
    """Return how many of `DRAWN` words from names in the package differ: the mean over `DRAWS` draws."""
    words = [word.lower() for name in _names(package) for word in WORD.findall(name)]
    draws = (random.Random(seed).sample(words, min(DRAWN, len(words))) for seed in range(DRAWS))
    return mean(len(set(drawn)) for drawn in draws)


def _names(package: Path) -> Iterator[str]:
    for path in sorted(package.rglob("*.py")):
        yield path.stem
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.name


def main() -> int:
    """Print the map and what is against it; return the exit code."""
    graph = read_graph()
    circle, crossing = find_circle(graph), find_problem_imports(graph)
    print("\n".join(describe(graph)))
    print(f"{DRAWN} words from names in inference/: {distinct_words(ROOT / 'inference'):.0f} distinct")
    print(f"circles: {1 if circle else 0}; imports from engine to problem: {len(crossing)}")
    for found in [*([" -> ".join(circle)] if circle else []), *crossing]:
        print(found, file=sys.stderr)
    return 1 if circle or crossing else 0


if __name__ == "__main__":
    sys.exit(main())
