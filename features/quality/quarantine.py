"""Refusing a table: its offending rows are kept beside a readable reason, and the error names both."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from features.errors import TableLayoutError, TableQualityError, TableTimeError
from features.quality.violation import Violation

FOLDER = "quarantine"
KEPT_ROWS = 10_000
ROWS_FILE, REASON_FILE = "rows.parquet", "reason.txt"


@dataclass(frozen=True)
class Quarantine:
    """Where offending rows are kept: `<folder>/<view>/<stamp>/`, a later refusal replacing an equal one.

    `untouched` says what the refusal left as it was.
    """

    folder: Path
    stamp: str
    untouched: str

    def refuse(self, view: str, violations: Sequence[Violation], rows: pd.DataFrame, layout: bool) -> None:
        """Keep the first `KEPT_ROWS` rows and raise the error that says why and what to do.

        Raises:
            TableLayoutError: the columns are not what they should be.
            TableTimeError: the first violation is about time.
            TableQualityError: anything else.
        """
        kept = self.folder / view / self.stamp
        kept.mkdir(parents=True, exist_ok=True)
        rows.head(KEPT_ROWS).to_parquet(kept / ROWS_FILE, index=False)
        message = self._explain(view, violations, kept)
        (kept / REASON_FILE).write_text(f"{message}\n", encoding="utf-8")
        raise _error_type(violations, layout)(message)

    def _explain(self, view: str, violations: Sequence[Violation], kept: Path) -> str:
        fixes = dict.fromkeys(violation.fix for violation in violations)
        return "\n".join(
            [
                f"{view} is not fit to be used:",
                *(f"  {violation}" for violation in violations),
                *(f"To mend it: {fix}." for fix in fixes),
                f"The offending rows are kept in {kept / ROWS_FILE}; {self.untouched}.",
            ]
        )


def quarantine_folder(features_dir: Path) -> Path:
    """Where this room keeps offending rows."""
    return features_dir / FOLDER


def _error_type(violations: Sequence[Violation], layout: bool) -> type[TableQualityError]:
    if layout:
        return TableLayoutError
    return TableTimeError if violations[0].concerns_time else TableQualityError
