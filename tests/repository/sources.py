"""Reads the repository itself: its files, functions, imports, Makefile targets and README."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"

# Import name of each room, and the folder it lies in.
ROOMS = {name: ROOT / name for name in ("features", "inference", "monitoring", "experiments")} | {
    file.parent.name: file.parent for file in sorted((ROOT / "ml-models").glob("*/__init__.py"))
}


@cache
def list_files() -> tuple[Path, ...]:
    """Every file of the repository: committed, or new and not ignored. Relative paths, sorted."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return tuple(sorted(Path(name) for name in listed if name and (ROOT / name).is_file()))


def list_folders() -> set[Path]:
    """Every folder that holds a file of the repository, at any depth."""
    return {folder for path in list_files() for folder in path.parents if folder != Path()}


def list_text_files() -> Iterator[tuple[Path, str]]:
    """Every file that reads as UTF-8, with its text."""
    for path in list_files():
        try:
            yield path, (ROOT / path).read_text()
        except UnicodeDecodeError:
            continue


def list_python_files(folder: Path = ROOT) -> list[Path]:
    """The repository's Python files under a folder."""
    return [
        ROOT / path for path in list_files() if path.suffix == ".py" and (ROOT / path).is_relative_to(folder)
    ]


def parse(path: Path) -> ast.Module:
    """The file's syntax tree."""
    return ast.parse(path.read_text(), filename=str(path))


Function = ast.FunctionDef | ast.AsyncFunctionDef


def list_functions(path: Path) -> list[Function]:
    """Every function and method of a file, nested ones too."""
    return [node for node in ast.walk(parse(path)) if isinstance(node, Function)]


def list_imports(path: Path) -> set[str]:
    """Top-level names that a file imports absolutely, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names


def list_targets() -> set[str]:
    """The Makefile's documented targets, as `make help` lists them."""
    return set(re.findall(r"^([a-z][a-z-]*):.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


def read_blocks(language: str, page: Path = README) -> list[str]:
    """The page's fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), flags=re.MULTILINE | re.DOTALL)
