"""The worked problem is named in its own folders only; that is what makes the rest a template."""

import re
from pathlib import Path

import pytest

from tests.repository.sources import list_text_files

PROBLEM_WORDS = re.compile("flight|carrier|airport|delay", re.IGNORECASE)
# Names of the folder and of the data package: configuration has to say which problem is the default.
IDENTIFIERS = re.compile(r"\bflight_delay\b|\bnycflights13\b")
HOMES = (
    "features/flight_delay",
    "ml-models/flight_delay",
    "tests/flight_delay",
)
# The README and docs/ show the worked problem; this file and its neighbour name it to look for it.
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "features/README.md",
    "ml-models/README.md",
    "docs",
    "tests/repository",
)
CONFIGURATION = {".toml", ".txt", ".yml", ".yaml", ".example", ".cfg", ".mk", ""}


def lies_in(path: Path, places: tuple[str, ...]) -> bool:
    return any(path.is_relative_to(place) for place in places)


def find_problem_words(path: Path, text: str) -> list[str]:
    if path.suffix in CONFIGURATION:
        text = IDENTIFIERS.sub("", text)
    lines = enumerate(text.splitlines(), start=1)
    return [f"{path}:{number}: {line.strip()}" for number, line in lines if PROBLEM_WORDS.search(line)]


def test_only_its_own_folders_name_the_problem() -> None:
    elsewhere = [
        (path, text)
        for path, text in list_text_files()
        if not lies_in(path, HOMES) and not lies_in(path, DOCUMENTS)
    ]
    found = [hit for path, text in elsewhere for hit in find_problem_words(path, text)]
    assert not found, "move these into the problem's folder, or say them generically:\n" + "\n".join(found)


def test_only_its_own_folders_are_named_after_the_problem() -> None:
    named = [
        path for path, _ in list_text_files() if not lies_in(path, HOMES) and PROBLEM_WORDS.search(str(path))
    ]
    assert not named


@pytest.mark.parametrize(
    ("path", "text", "count"),
    [
        ("inference/app.py", "Carrier = str", 1),
        ("inference/app.py", "import flight_delay", 1),
        ("pyproject.toml", 'packages = ["ml-models/flight_delay"]', 0),
        ("pyproject.toml", "# airports", 1),
        ("monitoring/ml/server/app.py", "as_of", 0),
    ],
)
def test_the_search_finds_what_it_should(path: str, text: str, count: int) -> None:
    assert len(find_problem_words(Path(path), text)) == count
