"""Runs contestants in processes of their own, one at a time, under a limit, and compares their answers."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from experiments.benchmarks.point_in_time.world import World, connect

CONTESTANT = "experiments.benchmarks.point_in_time.contestant"


@dataclass(frozen=True)
class Measured:
    """Medians of one engine's runs: wall seconds, processor seconds, peak memory of its process."""

    seconds: float
    cpu_seconds: float
    peak_mib: float
    rows: int


def measure_once(engine: str, world: World, limit: float, *options: str) -> Measured | None:
    """One run; None if it took longer than `limit` seconds, or ended without an answer (out of memory)."""
    command = [sys.executable, "-m", CONTESTANT, engine, str(world.settings.var), *options]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=True)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        print(f"  {engine} did not finish: {last_words(error)}", flush=True)
        return None
    return Measured(**json.loads(ended.stdout.splitlines()[-1]))


def measure_in_turn(
    engines: Sequence[str], world: World, rounds: int, limit: float, *options: str
) -> dict[str, Measured]:
    """Medians of `rounds` runs of each engine, one after the other in every round."""
    runs: dict[str, list[Measured]] = {engine: [] for engine in engines}
    for _ in range(rounds):
        for engine in engines:
            measured = measure_once(engine, world, limit, *options)
            if measured is None:
                raise RuntimeError(f"{engine} did not finish within {limit:.0f} s")
            runs[engine].append(measured)
    return {engine: middle(measured) for engine, measured in runs.items()}


def middle(runs: Sequence[Measured]) -> Measured:
    """The median of each figure."""
    return Measured(
        median(run.seconds for run in runs),
        median(run.cpu_seconds for run in runs),
        median(run.peak_mib for run in runs),
        runs[0].rows,
    )


def count_differences(one: Path, other: Path) -> int:
    """How many rows either answer has that the other lacks, by the columns of `one`."""
    with connect() as connection:
        columns = ", ".join(
            f'"{row[0]}"' for row in connection.execute(f"DESCRIBE SELECT * FROM '{one}'").fetchall()
        )
        sides = [f"SELECT {columns} FROM read_parquet('{path}')" for path in (one, other)]
        both = f"(({sides[0]}) EXCEPT ALL ({sides[1]})) UNION ALL (({sides[1]}) EXCEPT ALL ({sides[0]}))"
        found = connection.execute(f"SELECT count(*) FROM ({both})").fetchone()
    return int(found[0]) if found else 0


def last_words(error: subprocess.TimeoutExpired | subprocess.CalledProcessError) -> str:
    """Why a contestant gave up, in one line."""
    if isinstance(error, subprocess.TimeoutExpired):
        return f"more than {error.timeout:.0f} s"
    said = [line for line in (error.stderr or "").splitlines() if "Error" in line]
    return said[-1] if said else f"ended with {error.returncode}"
