"""One way in which a table is not what it must be, with what to do about it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Violation:
    """What was checked of which column, what was found instead, and how to mend it.

    `condition` is DuckDB SQL that selects the offending rows.
    """

    column: str
    check: str
    found: str
    fix: str
    condition: str = "true"
    concerns_time: bool = False

    def __str__(self) -> str:
        return f"{self.column}: {self.check}, found {self.found}"
