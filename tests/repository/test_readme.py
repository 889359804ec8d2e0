"""The README is true: its tree is the tree, its links lead somewhere, its commands run."""

import re
from pathlib import Path

import pytest

from tests.repository.map import PROBLEM
from tests.repository.sources import README, ROOT, list_files, list_folders, list_targets, read_blocks

# Left out: folders of configuration, which explain themselves, and those of tests, which mirror the rooms.
UNMAPPED = (".ci", ".github", "tests")
ENTRY = re.compile(r"^(?P<indent>[│ ]*)[├└]── (?P<name>\S+)\s+(?P<idea>\S.*)$")


def read_tree() -> dict[Path, str]:
    """The annotated tree: path to idea."""
    trail: list[str] = []
    tree: dict[Path, str] = {}
    for line in read_blocks("text")[0].splitlines()[1:]:
        entry = ENTRY.match(line)
        assert entry is not None, f"not an annotated entry: {line!r}"
        trail[len(entry["indent"]) // 4 :] = [entry["name"].rstrip("/")]
        tree[Path(*trail)] = entry["idea"]
    return tree


def is_mapped(folder: Path) -> bool:
    """Whether the tree names it: of a problem's folders, which are whoever's it is, only the outermost."""
    if PROBLEM in folder.parts[:-1]:
        return False
    return not any(folder.is_relative_to(place) and folder != Path("tests") for place in UNMAPPED)


def test_tree_names_every_folder_and_nothing_else() -> None:
    named = set(read_tree())
    folders = {folder for folder in list_folders() if is_mapped(folder)}
    assert named - folders - set(list_files()) == set(), "in the README, not in the repository"
    assert folders - named == set(), "in the repository, not in the README"


def test_every_link_and_picture_leads_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#\s]+)\)", README.read_text())
    local = [target for target in targets if not target.startswith("http")]
    assert local
    assert [target for target in local if not (ROOT / target).exists()] == []


def test_every_task_named_is_a_target() -> None:
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)\b", "".join(re.findall(r"`[^`\n]*`", README.read_text()))))
    assert named
    assert named <= list_targets()


@pytest.mark.parametrize("first", ["make demo", "make test"])
def test_the_first_block_is_the_two_commands(first: str) -> None:
    commands = [line.partition("#")[0].strip() for line in read_blocks("sh")[0].splitlines()]
    assert first in commands
    assert len(commands) == 2
