"""`make bench-serving`: the service against four model servers, plain FastAPI and a bare echo."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from contracts.matrix import names_of
from experiments.benchmarks.http_serving.chart import draw_chart
from experiments.benchmarks.http_serving.contestants import (
    OURS_ONLINE,
    PEER_SERVERS,
    PLAIN,
    Contestant,
    echo,
    ours,
    ours_durable,
    ours_online,
    peers,
    plain_fastapi,
)
from experiments.benchmarks.http_serving.durability import CALLERS
from experiments.benchmarks.http_serving.feature_server import NAME, feature_server
from experiments.benchmarks.http_serving.measuring import (
    CONNECTIONS,
    Running,
    measure_in_turn,
    plan_chain,
    plan_load,
    require_equal_answers,
    running,
)
from experiments.benchmarks.http_serving.overload import Overload, measure_overload
from experiments.benchmarks.http_serving.report import (
    Measured,
    best_peer,
    make_figures,
    medians,
    print_tables,
    publish,
)
from experiments.benchmarks.http_serving.tally import Load
from experiments.benchmarks.http_serving.wire import Columns
from experiments.benchmarks.http_serving.world import ServingWorld, prepare_world, score_rows
from experiments.replay.console import WIDTH
from features.command_line import run_commands
from features.settings import Settings
from inference.access.api_keys import ApiKey
from inference.access.key_file import add_key
from training.settings import TrainingSettings

ROUNDS, SECONDS = 5, 3.0
BATCHES = (1, 32, 256)
OVERLOAD_BATCHES = (1, 48)
WORKERS = 2
ALL = list(PEER_SERVERS)


def main(
    rounds: Annotated[int, typer.Option(help="Rounds; in each, all are measured in turn.")] = ROUNDS,
    seconds: Annotated[float, typer.Option(help="Seconds that each is loaded for in a round.")] = SECONDS,
    show: Annotated[bool, typer.Option("--publish", help="Put table and chart into the pages.")] = False,
    peer: Annotated[list[str], typer.Option(help="A server to measure against; all if none is named.")] = ALL,
) -> None:
    """Measure everything in turn, print a table, draw a chart, write the figures."""
    bench = Settings().var / "bench"
    measured = measure(bench / "serving", rounds, seconds, peer)
    figures = make_figures(measured)
    console = Console(width=WIDTH)
    print_tables(console, measured)
    draw_chart(measured, bench / "serving.png")
    (bench / "serving.json").write_text(json.dumps(figures, indent=2) + "\n")
    console.print(f"Written to {bench / 'serving.json'}, drawn in {bench / 'serving.png'}")
    if show:
        publish(measured, bench / "serving.png")


def measure(folder: Path, rounds: int, seconds: float, names: Sequence[str]) -> Measured:
    """Prepare the world and all servers under `folder`, and load them; `names` are those of the peers.

    Raises:
        AnswersDifferError: they do not answer the same rows alike.
    """
    world = prepare_world(TrainingSettings(var=folder / "world"))
    key, keys_file = make_key(folder)
    others = peers(world, folder, names)
    contestants = [ours(world, key, keys_file), *others, plain_fastapi(world), echo(world)]
    batches = measure_batches(world, contestants, folder, rounds, seconds)
    doubled = [each for each in contestants if each.name != PLAIN]
    workers = measure_workers(world, doubled, folder, rounds, seconds)
    fields = len(world.bundle.contract.columns)
    fastest = best_peer(medians(batches[1]))
    best = next(each for each in others if each.name == fastest)
    online = measure_online(world, ours_online(world, key, keys_file), best, folder, rounds, seconds)
    overload = press_ours(world, contestants[0], folder, rounds, seconds)
    both = contestants[0], ours_durable(world, key, keys_file)
    durability = measure_durability(world, both, folder, rounds, seconds)
    return Measured(fields, CONNECTIONS, batches, {WORKERS: workers}, online, overload, durability)


def measure_batches(
    world: ServingWorld, contestants: Sequence[Contestant], folder: Path, rounds: int, seconds: float
) -> dict[int, dict[str, list[Load]]]:
    """One worker each: one row a request, and many."""
    with running(contestants, 1, folder / "logs") as servers:
        require_equal_answers(servers, score_rows(world))
        return {batch: load_in_turn(servers, batch, world, folder, rounds, seconds) for batch in BATCHES}


def measure_workers(
    world: ServingWorld, contestants: Sequence[Contestant], folder: Path, rounds: int, seconds: float
) -> dict[str, list[Load]]:
    """Two workers each, one row a request."""
    with running(contestants, WORKERS, folder / "logs") as servers:
        return load_in_turn(servers, 1, world, folder, rounds, seconds)


def measure_online(
    world: ServingWorld, mine: Contestant, peer: Contestant, folder: Path, rounds: int, seconds: float
) -> dict[str, list[Load]]:
    """Ours, looking features up, against Feast's feature server and then the best peer."""
    columns = world.bundle.contract.columns
    wanted = Columns(tuple(names_of(columns, "categorical")), tuple(names_of(columns, "numeric")))
    with running([mine, feature_server(world), peer], 1, folder / "logs") as (own, features, model):
        rows = len(world.features)
        plans = {
            OURS_ONLINE: plan_load(own, 1, rows, seconds),
            f"{NAME}, then {peer.name}": plan_chain(features, model, wanted, rows, seconds),
        }
        return measure_in_turn(plans, rounds, folder)


def press_ours(
    world: ServingWorld, mine: Contestant, folder: Path, rounds: int, seconds: float
) -> list[Overload]:
    """Ours alone, asked for more than it can answer, one worker."""
    with running([mine], 1, folder / "logs") as (own,):
        return [measure_overload(own, world, batch, folder, rounds, seconds) for batch in OVERLOAD_BATCHES]


def measure_durability(
    world: ServingWorld, both: Sequence[Contestant], folder: Path, rounds: int, seconds: float
) -> dict[int, dict[str, list[Load]]]:
    """Ours with the log as it is by default and synced, one row a request, by callers."""
    rows = len(world.features)
    with running(both, 1, folder / "logs") as servers:
        return {
            callers: measure_in_turn(
                {each.contestant.name: plan_load(each, 1, rows, seconds, callers) for each in servers},
                rounds,
                folder,
            )
            for callers in CALLERS
        }


def load_in_turn(
    servers: Iterable[Running], batch: int, world: ServingWorld, folder: Path, rounds: int, seconds: float
) -> dict[str, list[Load]]:
    """Load all of them with requests of `batch` rows."""
    rows = len(world.features)
    plans = {each.contestant.name: plan_load(each, batch, rows, seconds) for each in servers}
    return measure_in_turn(plans, rounds, folder)


def make_key(folder: Path) -> tuple[str, Path]:
    """A new API key in a new file."""
    path = folder / "keys.json"
    path.unlink(missing_ok=True)
    key, token = ApiKey.create("bench", ["predict"], None, None)
    add_key(path, key)
    return token, path


if __name__ == "__main__":
    run_commands(lambda: typer.run(main))
