"""The replay from an empty folder to its page: run the loop, then score and show what it did."""

from pathlib import Path

import pandas as pd
from rich.console import Console

from experiments.replay.launcher import open_loop
from experiments.replay.loop import Loop
from experiments.replay.progress import ReplayProgress
from experiments.replay.record import Record
from experiments.replay.scores import running_base_rate, score_months
from experiments.settings import ReplaySettings
from features.contract import read_labels

END = pd.Timestamp("2200-01-01", tz="UTC")


def run_replay(settings: ReplaySettings, console: Console) -> Path:
    """Relive the year in `settings.var` and return the folder of its results.

    Raises:
        ExperimentError: a process failed, or the loop did something that must not happen.
    """
    with ReplayProgress(console) as progress, open_loop(settings, progress) as loop:
        progress.step("Reliving the year, week by week")
        progress.start_examples(len(loop.examples))
        record = loop.relive()
        progress.step("Scoring every prediction with the labels that have arrived by now")
        scored = score_frame_of(loop, record)
    results = settings.var / "replay"
    record.write(results)
    scored.to_parquet(results / "scored.parquet", index=False)
    show_results(console, loop, scored, record, results)
    return results


def score_frame_of(loop: Loop, record: Record) -> pd.DataFrame:
    """One row per labelled example, with all that `score_months` and the chart need."""
    problem = loop.problem
    labels = read_labels(loop.settings.features.tables, problem.label, END.to_pydatetime())
    starts = pd.Series([week.start for week in loop.plan.weeks])
    base_rates = running_base_rate(labels, problem.label.name, starts)
    scored = loop.examples[["example_id", "event_timestamp"]].assign(frozen=loop.score_frozen())
    scored = scored.merge(record.all_predictions(), on="example_id", validate="one_to_one")
    known = labels[["example_id", problem.label.name]].rename(columns={problem.label.name: "label"})
    scored = scored.merge(known, on="example_id", validate="one_to_one")
    position = starts.searchsorted(scored["event_timestamp"], side="right") - 1
    scored["week_start"] = starts.iloc[position].to_numpy()
    scored["base_rate"] = scored["week_start"].map(base_rates)
    return scored.sort_values(["event_timestamp", "example_id"], ignore_index=True)


def show_results(console: Console, loop: Loop, scored: pd.DataFrame, record: Record, results: Path) -> None:
    """Draw the chart, write the page, print the tables and say what to open next."""
    from experiments.replay.chart import draw_chart
    from experiments.replay.console import print_report
    from experiments.replay.page import write_page

    months = score_months(loop.problem, scored, loop.settings.replay_seed)
    chart, page = results / "replay.png", results / "replay.html"
    draw_chart(chart, loop.problem, scored, months, record)
    write_page(page, loop.problem, months, record, chart)
    print_report(console, loop.problem, months, record)
    console.print(f"\nChart: {chart}\nPage:  {page}")
    console.print("MLflow, Prefect, the Evidently reports and the API docs of this run: [bold]make ui[/bold]")
