"""A ranking as a table to read: importance, stability, moves since the last one, and reasons to drop."""

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from training.ranking.importance import RankedFeature
from training.ranking.run import RankingOutcome

WIDTH = 170


def show_ranking(outcome: RankingOutcome, metric: str) -> str:
    """Return the ranking as text, and what became of the proposed drops on the newest window."""
    console = Console(width=WIDTH, force_terminal=False)
    with console.capture() as captured:
        console.print(Group(_table(outcome, metric), *_notes(outcome)))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _table(outcome: RankingOutcome, metric: str) -> RenderableType:
    table = Table(
        title=f"{metric}: how much worse when a feature is shuffled", title_justify="left", box=None
    )
    for name in ("rank", "moved", "mean", "std", "hurts", "past chance"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("feature", no_wrap=True)
    table.add_column("advice", no_wrap=True)
    for feature in outcome.ranking:
        table.add_row(*_row(feature))
    return table


def _row(feature: RankedFeature) -> tuple[str, ...]:
    advice = f"drop: {feature.reason}" if feature.advice == "drop" else ""
    return (
        str(feature.rank),
        "new" if feature.moved is None else f"{feature.moved:+d}" if feature.moved else "",
        f"{feature.mean:.6f}",
        f"{feature.std:.6f}",
        f"{feature.hurts:.0%}",
        f"{feature.beyond_noise:.0%}",
        feature.name,
        advice,
    )


def _notes(outcome: RankingOutcome) -> list[Text]:
    judged = ", ".join(f"{window.start[:10]} ({window.rows} rows)" for window in outcome.windows)
    notes = [Text(f"Windows judged: {judged}.")]
    if not outcome.compared:
        notes.append(Text("There was no ranking before this one: every feature is new."))
    confirmed = outcome.confirmation
    if confirmed is None:
        notes.append(Text("Nothing to confirm: no feature, or every one, would be dropped."))
    else:
        change = confirmed.better_without
        verdict = f"{abs(change):.5f} {'worse' if change < 0 else 'better'}"
        notes.append(
            Text(
                f"Without the {len(outcome.drops)} proposed drops the newest window is {verdict}: "
                f"{confirmed.metric} {confirmed.without_drops:.5f} against {confirmed.with_all:.5f}."
            )
        )
    return [*notes, Text(f"Logged as MLflow run {outcome.run_id}.")]
