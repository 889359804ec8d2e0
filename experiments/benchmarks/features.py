"""`make bench-features`: the point-in-time join against Feast's DuckDB store and bare SQL, and at scale."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from experiments.benchmarks.point_in_time.chart import draw_chart
from experiments.benchmarks.point_in_time.measuring import (
    Measured,
    count_differences,
    measure_in_turn,
    measure_once,
)
from experiments.benchmarks.point_in_time.world import World, prepare_year, stored_views, tile_years
from experiments.replay.console import WIDTH, new_table
from features.command_line import run_commands
from features.repository.feature_store import open_store
from features.settings import FeatureSettings

ROUNDS = 5
# Feast's store joins all views in one statement: what does not end in this time is asked view by view.
PATIENCE = 1_800.0
PATIENCE_PER_VIEW = 600.0
SCALES = {"1m": 1_000_000, "3m": 3_000_000, "10m": 10_000_000}


@dataclass(frozen=True)
class PeerMeasured:
    """Feast's store on the year: in one retrieval, or view by view; the views that it did not finish."""

    total: Measured
    together: bool
    unfinished: tuple[str, ...] = ()


def main(
    rounds: Annotated[int, typer.Option(help="Runs of ours and of bare SQL, in turn.")] = ROUNDS,
    patience: Annotated[float, typer.Option(help="Seconds given to Feast's store for all views.")] = PATIENCE,
    scales: Annotated[str, typer.Option(help="Which sizes to lay the year out to.")] = ",".join(SCALES),
) -> None:
    """Measure everything in turn, print a table, draw a chart, write the figures."""
    settings = FeatureSettings()
    bench = settings.var / "bench"
    year = prepare_year(settings.model_copy(update={"var": bench / "point_in_time" / "year"}))
    console = Console(width=WIDTH)
    engines = measure_engines(year, rounds)
    peer = measure_peer(year, patience)
    sizes = measure_scales(year, [name for name in scales.split(",") if name], bench / "point_in_time")
    figures = make_figures(year, engines, peer, sizes)
    print_tables(console, year, engines, peer, sizes)
    draw_chart(engines, peer.total, {SCALES[name]: measured for name, measured in sizes.items()}, bench)
    (bench / "features.json").write_text(json.dumps(figures, indent=2) + "\n")
    console.print(f"Written to {bench / 'features.json'}, drawn in {bench / 'features.png'}")


def measure_engines(year: World, rounds: int) -> dict[str, Measured]:
    """Ours and bare SQL over the whole year and all views; their answers are compared first.

    Raises:
        RuntimeError: the answers differ.
    """
    answers = {engine: year.settings.features_dir / f"{engine}.parquet" for engine in ("asof", "sql")}
    for engine, answer in answers.items():
        measure_once(engine, year, PATIENCE, "--answer", str(answer))
    require_equal(answers["asof"], answers["sql"])
    return measure_in_turn(("asof", "sql"), year, rounds, PATIENCE)


def measure_peer(year: World, patience: float) -> PeerMeasured:
    """Feast's own DuckDB store on the same rows: all views at once if it can, else one after the other.

    Raises:
        RuntimeError: it answers otherwise than ours does.
    """
    answer = year.settings.features_dir / "feast_duckdb.parquet"
    whole = measure_once("feast_duckdb", year, patience, "--answer", str(answer))
    if whole is not None:
        require_equal(answer, year.settings.features_dir / "asof.parquet")
        return PeerMeasured(whole, together=True)
    names = [str(view.name) for view in stored_views(open_store(year.settings))]
    alone = {name: measure_view(year, name, answer) for name in names}
    ended = [measured for measured in alone.values() if measured is not None]
    unfinished = tuple(name for name, measured in alone.items() if measured is None)
    return PeerMeasured(add_up(ended), together=False, unfinished=unfinished)


def measure_view(year: World, view: str, answer: Path) -> Measured | None:
    """Feast's own store on one view."""
    measured = measure_once("feast_duckdb", year, PATIENCE_PER_VIEW, "--views", view, "--answer", str(answer))
    if measured is not None:
        require_equal(answer, year.settings.features_dir / "asof.parquet")
    return measured


def add_up(runs: Sequence[Measured]) -> Measured:
    """One run after the other: times add up, the largest peak counts."""
    return Measured(
        sum(run.seconds for run in runs),
        sum(run.cpu_seconds for run in runs),
        max(run.peak_mib for run in runs),
        runs[0].rows,
    )


def measure_scales(year: World, names: list[str], folder: Path) -> dict[str, Measured]:
    """Ours from Parquet to Parquet over ever longer times."""
    sizes: dict[str, Measured] = {}
    for name in names:
        world = tile_years(year, SCALES[name], folder)
        measured = measure_once("asof", world, PATIENCE, "--stream")
        if measured is None:
            raise RuntimeError(f"{SCALES[name]:,} rows did not end")
        sizes[name] = measured
    return sizes


def require_equal(one: Path, other: Path) -> None:
    """Refuse to compare engines that answer differently.

    Raises:
        RuntimeError: some rows differ.
    """
    if differing := count_differences(one, other):
        raise RuntimeError(f"{one.name} and {other.name} differ in {differing:,} rows: no comparison")


def make_figures(
    year: World, engines: Mapping[str, Measured], peer: PeerMeasured, sizes: Mapping[str, Measured]
) -> dict[str, object]:
    """Every figure by name; ratios are of wall seconds."""
    return {
        "rows": year.rows,
        "ratio_vs_feast_duckdb": peer.total.seconds / engines["asof"].seconds,
        "feast_duckdb_in_one_retrieval": peer.together,
        "feast_duckdb_unfinished_views": list(peer.unfinished),
        "seconds_feast_duckdb": peer.total.seconds,
        "peak_mib_feast_duckdb": peer.total.peak_mib,
        "ratio_vs_sql": engines["asof"].seconds / engines["sql"].seconds,
        **{f"seconds_{name}": measured.seconds for name, measured in engines.items()},
        **{f"peak_mib_{name}": measured.peak_mib for name, measured in engines.items()},
        **{f"seconds_{name}": measured.seconds for name, measured in sizes.items()},
        **{f"peak_mib_{name}": measured.peak_mib for name, measured in sizes.items()},
    }


def print_tables(
    console: Console,
    year: World,
    engines: Mapping[str, Measured],
    peer: PeerMeasured,
    sizes: Mapping[str, Measured],
) -> None:
    """Both comparisons and the sizes."""
    heads = ("engine", "entity rows", "seconds", "CPU seconds", "peak MiB")
    table = new_table("All stored views at every instant asked", heads)
    how = "" if peer.together else ", view by view"
    named = {
        "as-of store": engines["asof"],
        "bare SQL": engines["sql"],
        f"Feast's DuckDB store{how}": peer.total,
        **{f"as-of store, Parquet to Parquet, {name}": measured for name, measured in sizes.items()},
    }
    for name, measured in named.items():
        table.add_row(name, f"{measured.rows:,}", *(f"{value:,.1f}" for value in shown(measured)))
    console.print(table)
    if not peer.together:
        console.print(f"Feast's DuckDB store did not finish all views at once on {year.rows:,} rows.")
    if peer.unfinished:
        console.print(f"Alone, it did not finish {', '.join(peer.unfinished)}; they are not in its time.")


def shown(measured: Measured) -> tuple[float, float, float]:
    """The figures that the table shows."""
    return measured.seconds, measured.cpu_seconds, measured.peak_mib


if __name__ == "__main__":
    run_commands(lambda: typer.run(main))
