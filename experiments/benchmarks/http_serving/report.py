"""The measured servers as tables, as named figures, and as the block that a page shows."""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from experiments.benchmarks.http_serving.contestants import ECHO, OURS, OURS_ONLINE, PLAIN
from experiments.benchmarks.http_serving.durability import durability_lines, make_durability_figures
from experiments.benchmarks.http_serving.measuring import middle
from experiments.benchmarks.http_serving.overload import Overload
from experiments.benchmarks.http_serving.overload_report import make_overload_figures, overload_lines
from experiments.benchmarks.http_serving.tally import Load
from experiments.replay.console import new_table
from features.settings import REPOSITORY

PAGE = REPOSITORY / "inference" / "README.md"
CHART = REPOSITORY / "docs" / "serving.png"
BEGIN, END = "<!-- bench-serving -->", "<!-- /bench-serving -->"

Loads = Mapping[str, list[Load]]


@dataclass(frozen=True)
class Measured:
    """Every round's loads by contestant.

    `batches`: by rows a request, one worker; `workers`: one row, by number of workers; `online`: features
    looked up, ours and Feast's feature server followed by the best peer; `overload`: ours asked for too much;
    `durability`: ours with the log as it is by default and synced, one row, by callers.
    """

    fields: int
    connections: int
    batches: Mapping[int, Loads]
    workers: Mapping[int, Loads]
    online: Loads
    overload: Sequence[Overload]
    durability: Mapping[int, Loads]

    @property
    def single(self) -> dict[str, Load]:
        """Medians for one row and one worker."""
        return medians(self.batches[1])


def best_peer(loads: Mapping[str, Load]) -> str:
    """The fastest of the peers among the contestants."""
    return max(loads.keys() - {OURS, ECHO, PLAIN}, key=lambda name: loads[name].rate)


def medians(loads: Loads) -> dict[str, Load]:
    """The median of each contestant's rounds."""
    return {name: middle(rounds) for name, rounds in loads.items()}


def make_figures(measured: Measured) -> dict[str, float | str]:
    """Every median by name, and the ratios between them."""
    single, best = measured.single, best_peer(measured.single)
    figures: dict[str, float | str] = {"best_peer": best, "fields": measured.fields}
    figures |= {
        "ratio_vs_best_peer": single[OURS].rate / single[best].rate,
        "ratio_vs_echo": single[OURS].rate / single[ECHO].rate,
        "p99_ratio_vs_echo": single[OURS].p99_ms / single[ECHO].p99_ms,
        "ratio_vs_fastapi_onnx": single[OURS].rate / single[PLAIN].rate,
    }
    online = medians(measured.online)
    (chain,) = [load for name, load in online.items() if name != OURS_ONLINE]
    figures["ratio_online_vs_feast_server_plus_peer"] = online[OURS_ONLINE].rate / chain.rate
    for batch, loads in measured.batches.items():
        figures |= _ratio_to_peers(medians(loads), f"ratio_vs_best_peer_batch_{batch}")
        figures |= _named(medians(loads), f"batch_{batch}")
    for workers, loads in measured.workers.items():
        figures |= _ratio_to_peers(medians(loads), f"ratio_vs_best_peer_workers_{workers}")
        figures |= _named(medians(loads), f"workers_{workers}")
        figures[f"speed_up_workers_{workers}"] = medians(loads)[OURS].rate / single[OURS].rate
    figures |= _named(online, "online") | make_overload_figures(measured.overload)
    return figures | make_durability_figures(measured.durability)


def print_tables(console: Console, measured: Measured) -> None:
    """One table of all that was measured."""
    heads = ("measured", "server", "requests/s", "rows/s", "p50 ms", "p99 ms", "refused", "x slower")
    table = new_table(f"Medians; {measured.connections} connections, {measured.fields} features a row", heads)
    for what, batch, loads in _sections(measured):
        for cells in _rows(what, batch, loads):
            table.add_row(*cells)
    console.print(table)
    console.print(*overload_lines(measured.overload), sep="\n", markup=False)
    console.print(*durability_lines(measured.durability), sep="\n", markup=False)


def publish(measured: Measured, chart: Path) -> None:
    """Put the table and the chart where the serving page shows them."""
    lines = [
        "| measured | server | requests/s | rows/s | p50 ms | p99 ms |",
        "|---|---|--:|--:|--:|--:|",
        *(
            "| " + " | ".join(cells[:-2]) + " |"
            for what, batch, loads in _sections(measured)
            for cells in _rows(what, batch, loads)
        ),
    ]
    lines += ["", *overload_lines(measured.overload), "", *durability_lines(measured.durability)]
    block = "\n".join([BEGIN, *lines, END])
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: block, page, flags=re.DOTALL), encoding="utf-8")
    shutil.copyfile(chart, CHART)


def _sections(measured: Measured) -> list[tuple[str, int, dict[str, Load]]]:
    """What was measured, rows a request, the medians by contestant: ours first."""
    batches = [
        (f"{batch} rows" if batch > 1 else "1 row", batch, medians(loads))
        for batch, loads in measured.batches.items()
    ]
    workers = [(f"1 row, {number} workers", 1, medians(loads)) for number, loads in measured.workers.items()]
    return [*batches, *workers, ("1 row, by keys", 1, medians(measured.online))]


def _rows(what: str, batch: int, loads: Mapping[str, Load]) -> list[list[str]]:
    """The cells of each contestant's line; the last ones are its refusals and how many times slower it is."""
    first = next(iter(loads.values())).rate
    return [
        [
            *(what, name, f"{load.rate:,.0f}", f"{load.rate * batch:,.0f}"),
            *(f"{load.p50_ms:.2f}", f"{load.p99_ms:.2f}", str(load.refused), f"{first / load.rate:.2f}"),
        ]
        for name, load in loads.items()
    ]


def _ratio_to_peers(loads: Mapping[str, Load], name: str) -> dict[str, float]:
    return {name: loads[OURS].rate / loads[best_peer(loads)].rate}


def _named(loads: Mapping[str, Load], prefix: str) -> dict[str, float | str]:
    figures: dict[str, float | str] = {}
    for name, load in loads.items():
        key = f"{prefix}_{re.sub('[^a-z0-9]+', '_', name.lower())}"
        figures |= {f"{key}_rate": load.rate, f"{key}_p50_ms": load.p50_ms, f"{key}_p99_ms": load.p99_ms}
        figures[f"{key}_refused"] = load.refused
    return figures
