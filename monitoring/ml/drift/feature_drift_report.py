"""Weekly feature drift for people and programs: a table in the terminal, a heat map, a history in Parquet."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from monitoring.ml.drift.feature_drift import WeeklyDrift
from monitoring.ml.errors import ReportError

HISTORY_FILE, MATRIX_FILE, PAGE_FILE = "history.parquet", "matrix.json", "heat-map.html"
SHOWN_WEEKS, SHOWN_FEATURES = 12, 25
TABLE_WIDTH = 170
PIXELS_PER_FEATURE, PIXELS_AROUND = 18, 160


def write_weekly_drift(drift: WeeklyDrift, folder: Path) -> list[Path]:
    """Write history, matrix and heat map into `folder`, over those of an earlier run; return the files.

    Raises:
        ReportError: the folder cannot be written.
    """
    history, matrix, page = (folder / name for name in (HISTORY_FILE, MATRIX_FILE, PAGE_FILE))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        drift.history.to_parquet(history, index=False)
        drift.matrix.round(6).to_json(matrix, orient="split", date_format="iso", indent=2)
        _write_heat_map(drift, page)
    except OSError as error:
        raise ReportError(f"cannot write to {folder}; free space or fix its rights ({error})") from error
    return [history, matrix, page]


def show_weekly_drift(drift: WeeklyDrift, weeks: int = SHOWN_WEEKS, features: int = SHOWN_FEATURES) -> str:
    """Return feature x week as text: the last `weeks`, and the `features` that moved most, worst first."""
    matrix = drift.matrix
    against = f"against the {drift.reference_weeks} before (* past {drift.threshold:g})"
    table = Table(title=f"{drift.service}: PSI of each week {against}", title_justify="left", box=None)
    shown = list(matrix.columns[-weeks:])
    for name in ("feature", "worst", "in week", "past", *(f"{week:%m-%d}" for week in shown)):
        table.add_column(name, justify="left" if name == "feature" else "right", no_wrap=True)
    for feature in matrix.index[:features]:
        values = matrix.loc[feature].astype("float64")
        worst = [_cell(values.max(), drift.threshold), f"{values.idxmax():%Y-%m-%d}"]
        past = str(int((values > drift.threshold).sum()))
        table.add_row(str(feature), *worst, past, *(_cell(values[week], drift.threshold) for week in shown))
    return _as_text(table)


def _cell(value: float, threshold: float) -> str:
    if value != value:  # no value in that week
        return "-"
    return f"{value:.2f}{'*' if value > threshold else ' '}"


def _as_text(table: Table) -> str:
    console = Console(width=TABLE_WIDTH, force_terminal=False)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _write_heat_map(drift: WeeklyDrift, page: Path) -> None:
    import plotly.graph_objects as go  # type: ignore[import-untyped]

    matrix = drift.matrix
    heat = go.Heatmap(
        z=matrix.to_numpy(),
        x=[f"{week:%Y-%m-%d}" for week in matrix.columns],
        y=list(matrix.index),
        zmin=0,
        zmax=2 * drift.threshold,
        colorscale="RdYlGn",
        reversescale=True,
        colorbar={"title": "PSI"},
    )
    figure = go.Figure(heat)
    figure.update_layout(
        title=f"{drift.service}: weekly PSI against the {drift.reference_weeks} weeks before",
        height=PIXELS_AROUND + PIXELS_PER_FEATURE * len(matrix),
        yaxis={"autorange": "reversed", "dtick": 1},
    )
    figure.write_html(page, include_plotlyjs=True)
