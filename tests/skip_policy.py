"""The rule that nothing is skipped silently: a skip or xfail outside the committed list fails the run."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

ALLOWED_SKIPS = Path(__file__).with_name("allowed_skips.txt")


@dataclass(frozen=True)
class AllowedSkip:
    """A glob of node ids that may be skipped, and why."""

    pattern: str
    reason: str


class SkipListError(ValueError):
    """A line of the list cannot be read or gives no reason."""


def read_allowed_skips(path: Path) -> tuple[AllowedSkip, ...]:
    """Read the committed list; every entry must give its reason after `  # `."""
    lines = (line for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return tuple(parse_allowed_skip(line) for line in lines)


def parse_allowed_skip(line: str) -> AllowedSkip:
    """Split one line of the list into pattern and reason."""
    pattern, _, reason = line.partition("  # ")
    if not pattern.strip() or not reason.strip():
        raise SkipListError(f"write 'glob of node ids  # reason' in {ALLOWED_SKIPS.name}, not {line!r}")
    return AllowedSkip(pattern.strip(), reason.strip())


def find_unlisted(skipped: Iterable[str], allowed: tuple[AllowedSkip, ...]) -> list[str]:
    """Return the skipped node ids that no entry covers, sorted and once each."""
    return sorted(
        {node for node in skipped if not any(fnmatchcase(node, entry.pattern) for entry in allowed)}
    )
