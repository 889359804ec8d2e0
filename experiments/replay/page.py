"""The replay as one self-contained HTML page."""

import base64
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, select_autoescape

from contracts.problem import Problem
from experiments.replay.console import month_verdicts, summarise_months
from experiments.replay.record import Record
from experiments.replay.scores import SHOWN, MonthScore


def write_page(
    path: Path, problem: Problem, months: Sequence[MonthScore], record: Record, chart: Path
) -> None:
    """Write the page beside its chart; the image is inlined, so the file can be sent on alone."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape(["j2"]), trim_blocks=True
    )
    first, primary, third = SHOWN[problem.task]
    path.write_text(
        templates.get_template("page.html.j2").render(
            problem=problem,
            months=months,
            record=record,
            first=first,
            primary=primary,
            third=third,
            verdicts={score.month: month_verdicts(record, score.month) for score in months},
            chart=base64.b64encode(chart.read_bytes()).decode(),
            summary=summarise_months(problem, months),
            sent=sum(entry.requests_sent for entry in record.retrainings),
            failed=sum(entry.requests_failed for entry in record.retrainings),
        ),
        encoding="utf-8",
    )
