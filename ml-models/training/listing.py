"""The registry as text: versions with aliases and verdicts, then the history of promotions."""

from contracts.problem import Problem
from contracts.promotion import HistoryEntry, history, recover
from contracts.registry import ModelVersionRef, list_versions
from contracts.settings import RegistrySettings

HEAD = ("version", "aliases", "family", "as of", "gate", "reason")


def list_registry(settings: RegistrySettings, problem: Problem) -> str:
    """Return the table of versions, newest last, and the history; recovers a crashed promotion first."""
    recovered = recover(settings, problem.name)
    versions = list_versions(settings, problem.name)
    if not versions:
        return f"{problem.name} has no version yet; train one with `python -m training train`"
    head = (*HEAD[:-1], problem.primary_metric, HEAD[-1])
    rows = [_row(ref, problem.primary_metric) for ref in versions]
    lines = [*_aligned([head, *rows]), "", *(map(_line, history(settings, problem.name)))]
    return "\n".join([*([f"recovered: {_line(recovered)}", ""] if recovered else []), *lines])


def _row(ref: ModelVersionRef, metric: str) -> tuple[str, ...]:
    tags = ref.tags
    return (
        ref.version,
        ",".join(ref.aliases) or "-",
        *(tags.get(name, "-") for name in ("family", "as_of", "gate", metric, "reason")),
    )


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _line(entry: HistoryEntry) -> str:
    moved = f"{entry.from_version or 'none'} → {entry.to_version}"
    return f"{entry.at:%Y-%m-%d %H:%M:%S}  {entry.action} {moved}, {entry.outcome}: {entry.reason}"
