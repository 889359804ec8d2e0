"""The replay in the terminal: the months, the comparison with the frozen champion, the retrainings."""

from collections.abc import Sequence
from statistics import fmean

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from contracts.problem import Problem
from experiments.replay.record import Record
from experiments.replay.scores import SHOWN, MonthScore

WIDTH = 140
SHORT = {
    "roc_auc": "AUC",
    "log_loss": "log loss",
    "calibration_error": "ECE",
    "rmse": "RMSE",
    "r2": "R2",
    "bias": "bias",
}


def print_report(console: Console, problem: Problem, months: Sequence[MonthScore], record: Record) -> None:
    """Print all tables and the count of the continuous client's requests."""
    console.print(months_table(problem, months, record))
    console.print(comparison_table(problem, months))
    console.print(summarise_months(problem, months) + "\n")
    console.print(retrainings_table(record))
    sent = sum(entry.requests_sent for entry in record.retrainings)
    failed = sum(entry.requests_failed for entry in record.retrainings)
    console.print(f"Requests sent through {len(record.retrainings)} retrainings: {sent:,}; failed: {failed}")


def months_table(problem: Problem, months: Sequence[MonthScore], record: Record) -> Table:
    """What was served, by month."""
    names = SHOWN[problem.task]
    rate = f"{problem.label.name} rate"
    heads = ("month", problem.unit, "online", "bulk", rate, "mean", *(SHORT[name] for name in names))
    table = new_table(f"{problem.title}: served predictions", heads, ("champion", "drift verdicts"))
    for score in months:
        table.add_row(
            score.month,
            *(f"{count:,}" for count in (score.examples, score.online, score.bulk)),
            *(f"{value:.3f}" for value in (score.label_rate, score.mean_prediction)),
            *(f"{score.served[name]:.4f}" for name in names),
            "v" + ", v".join(score.versions),
            month_verdicts(record, score.month),
        )
    return table


def comparison_table(problem: Problem, months: Sequence[MonthScore]) -> Table:
    """Served against the champion frozen at the first training and the base rate, on the same examples."""
    first, primary, third = SHOWN[problem.task]
    loss, rank, gap = SHORT[primary], SHORT[first], SHORT[third]
    heads = (
        *("month", f"{loss}\nserved", f"{loss}\nfrozen", f"{loss}\nbase rate"),
        f"{loss}, served - frozen\n[95 %, days resampled]",
        *(f"{loss}\nonline", f"{loss}\nbulk", f"{rank}\nserved", f"{rank}\nfrozen", f"{gap}\nfrozen"),
        "mean\nfrozen",
    )
    table = new_table("Served, frozen at the first training, base rate: on the same examples", heads)
    for score in months:
        gain = score.gain
        table.add_row(
            score.month,
            *(f"{part[primary]:.4f}" for part in (score.served, score.frozen, score.base_rate)),
            f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]",
            *(f"{part[primary]:.4f}" for part in (score.served_online, score.served_bulk)),
            *(f"{part[first]:.4f}" for part in (score.served, score.frozen)),
            f"{score.frozen[third]:.4f}",
            f"{score.frozen_mean_prediction:.3f}",
        )
    return table


def summarise_months(problem: Problem, months: Sequence[MonthScore]) -> str:
    """The plain means over the months, served and frozen, of the two metrics that are compared."""
    means = [
        f"{SHORT[name]} {fmean(score.served[name] for score in months):.4f} served, "
        f"{fmean(score.frozen[name] for score in months):.4f} frozen"
        for name in SHOWN[problem.task][:2]
    ]
    better = sum(score.gain.mean < 0 for score in months)
    return f"Means over the months: {'; '.join(means)}. Served is better in {better} of {len(months)} months."


def new_table(title: str, numbers: Sequence[str], texts: Sequence[str] = ()) -> Table:
    """A table with columns of numbers, then of text."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for head in numbers:
        table.add_column(head, justify="right", no_wrap=True)
    for head in texts:
        table.add_column(head)
    return table


def retrainings_table(record: Record) -> Table:
    """Every run of the training deployment, and its verdict."""
    heads = ("as of", "gate", "champion", "seconds", "requests", "failed")
    table = new_table("Retrainings that monitoring asked for", heads, ("asked for because",))
    for entry in record.retrainings:
        table.add_row(
            f"{entry.as_of:%Y-%m-%d}",
            entry.gate,
            f"v{entry.champion}",
            f"{entry.seconds:.0f}",
            f"{entry.requests_sent:,}",
            str(entry.requests_failed),
            entry.reason,
        )
    return table


def month_verdicts(record: Record, month: str) -> str:
    """The verdicts of the windows that ended in a month, such as `2 hold, retrain`."""
    verdicts = [week.verdict for week in record.weeks if f"{week.end:%Y-%m}" == month]
    counts = {verdict: verdicts.count(verdict) for verdict in dict.fromkeys(verdicts)}
    return ", ".join(name if count == 1 else f"{count} {name}" for name, count in counts.items())
