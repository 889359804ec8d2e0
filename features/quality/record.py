"""The record of what checks measured: a JSON line per view and check, freshness and null rates over time."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from features.errors import QualityRecordError
from features.quality.measure import TableMeasure

RECORD_FILE = "quality.jsonl"
Occasion = Literal["build", "materialize", "check"]


class QualityRecord(BaseModel):
    """One table as a check found it at `as_of` (UTC), and the bounds that it was held to.

    `freshness_seconds` is the newest row's age at `as_of`; None where the table has no instants or no rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    view: str
    occasion: Occasion
    as_of: datetime
    rows: int
    newest: datetime | None
    freshness_seconds: float | None
    freshness_limit_seconds: float | None
    largest_gap_seconds: float | None
    null_rate: dict[str, float]
    null_limit: dict[str, float]


def append_records(file: Path, records: Iterable[QualityRecord]) -> None:
    """Append a line per record, in one write."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as stream:
        stream.write("".join(f"{record.model_dump_json()}\n" for record in records))


def read_newest_records(file: Path) -> dict[str, QualityRecord]:
    """Return each view's last record; nothing when no check has run yet.

    Raises:
        QualityRecordError: a line is not a record.
    """
    if not file.is_file():
        return {}
    try:
        # A line without its end is being written.
        lines = file.read_text(encoding="utf-8").split("\n")[:-1]
        records = [QualityRecord.model_validate_json(line) for line in lines]
    except ValidationError as error:
        raise QualityRecordError(
            f"{file} holds a line that is no record ({error}); remove that line, or the file"
        ) from error
    return {record.view: record for record in records}


def make_record(
    view: str,
    occasion: Occasion,
    as_of: datetime,
    measure: TableMeasure,
    lifetime_seconds: float | None,
    null_limit: dict[str, float],
) -> QualityRecord:
    """Put what was measured beside its bounds."""
    age = None if measure.newest is None else max((as_of - measure.newest).total_seconds(), 0.0)
    return QualityRecord(
        view=view,
        occasion=occasion,
        as_of=as_of,
        rows=measure.rows,
        newest=measure.newest,
        freshness_seconds=age,
        freshness_limit_seconds=lifetime_seconds,
        largest_gap_seconds=measure.largest_gap_seconds,
        null_rate=measure.null_rate,
        null_limit=null_limit,
    )
