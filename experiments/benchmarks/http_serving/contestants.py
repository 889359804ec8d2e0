"""Who is measured: how each server is started, what it is sent, and how its answer reads."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from experiments.benchmarks.http_serving.environments import PEERS, peer_environment
from experiments.benchmarks.http_serving.wire import WIRES, Wire, write_json
from experiments.benchmarks.http_serving.world import ServingWorld, bundle_graph

OURS, ECHO, PLAIN = "Roundtrip", "bare ASGI echo", "FastAPI + ONNX"
OURS_ONLINE = "Roundtrip, features looked up"
OURS_DURABLE = "Roundtrip, each line on the disk"
HERE = "experiments.benchmarks.http_serving"

Rows = Sequence[int]


@dataclass(frozen=True)
class Contestant:
    """One server. `command` takes a port and a number of workers; `body` and `read` are its wire format.

    `wire`: the layout of a peer's requests, so that they can be made of a feature server's answers too.
    """

    name: str
    command: Callable[[int, int], list[str]]
    path: str
    ready: str
    body: Callable[[Rows], bytes]
    read: Callable[[bytes], list[float]]
    env: Callable[[int, int], dict[str, str]] = field(default=lambda _port, _workers: {})
    headers: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None
    wire: Wire | None = None


def ours(world: ServingWorld, key: str, keys_file: Path) -> Contestant:
    """The service as one would run it: validation, API key, prediction log, metrics."""
    return Contestant(
        name=OURS,
        command=lambda port, workers: _module("inference", "serve", "--port", port, "--workers", workers),
        env=lambda _port, _workers: {
            "ROUNDTRIP_VAR": str(world.settings.var),
            "ROUNDTRIP_API_KEYS": str(keys_file),
        },
        path="/v1/predict",
        ready="/health/ready",
        headers={"authorization": f"Bearer {key}"},
        body=lambda rows: write_json({"instances": [{"features": world.features[row]} for row in rows]}),
        read=lambda body: [answer["prediction"] for answer in json.loads(body)["predictions"]],
    )


def echo(world: ServingWorld) -> Contestant:
    """Reads what `ours` reads, and sends it back."""
    return Contestant(
        name=ECHO,
        command=lambda port, workers: _module(f"{HERE}.echo", port, workers),
        path="/",
        ready="/",
        body=lambda rows: write_json({"instances": [{"features": world.features[row]} for row in rows]}),
        read=lambda _body: [],
    )


def plain_fastapi(world: ServingWorld) -> Contestant:
    """The same graph behind a route with pydantic models."""
    return Contestant(
        name=PLAIN,
        command=lambda port, workers: _module(f"{HERE}.plain_fastapi", port, workers),
        env=lambda _port, _workers: {"BUNDLE": str(world.bundle.folder)},
        path="/predict",
        ready="/openapi.json",
        body=lambda rows: write_json({"rows": [world.features[row] for row in rows]}),
        read=lambda body: json.loads(body)["predictions"],
    )


def peers(world: ServingWorld, folder: Path, names: Sequence[str]) -> list[Contestant]:
    """Servers that one would take else, each the way that its documentation shows, tuned.

    Each is installed under `folder` unless it is there; `names` are keys of `PEER_SERVERS`.
    """
    with ThreadPoolExecutor() as installers:
        binaries = installers.map(lambda name: peer_environment(name, folder / "environments"), names)
        return [PEER_SERVERS[name](world, found) for name, found in zip(names, binaries, strict=True)]


def _mlserver(world: ServingWorld, binaries: Path) -> Contestant:
    return Contestant(
        name="MLServer",
        command=lambda _port, _workers: [str(binaries / "mlserver"), "start", "."],
        env=lambda port, workers: {
            "MLSERVER_MODEL_URI": str(bundle_graph(world)),
            "MLSERVER_HOST": "127.0.0.1",
            "MLSERVER_HTTP_PORT": str(port),
            "MLSERVER_GRPC_PORT": str(port + 1),
            "MLSERVER_METRICS_PORT": str(port + 2),
            "MLSERVER_PARALLEL_WORKERS": str(0 if workers == 1 else workers),
            "MLSERVER_DEBUG": "false",
            "PYTHONPATH": ".",
        },
        folder=PEERS / "mlserver",
        path="/v2/models/scoring/infer",
        ready="/v2/health/ready",
        wire="tensors",
        body=lambda rows: _body(world, "tensors", rows),
        read=lambda body: json.loads(body)["outputs"][0]["data"],
    )


def _bentoml(world: ServingWorld, binaries: Path) -> Contestant:
    return Contestant(
        name="BentoML",
        command=lambda port, _workers: [
            *(str(binaries / "bentoml"), "serve", "service:Scoring"),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
        env=lambda _port, workers: {
            "BENTOML_DO_NOT_TRACK": "True",
            "MODEL": str(bundle_graph(world)),
            "WORKERS": str(workers),
            "PATH": f"{binaries}:/usr/bin:/bin",
        },
        folder=PEERS / "bentoml",
        path="/predict",
        ready="/readyz",
        wire="lists",
        body=lambda rows: _body(world, "lists", rows),
        read=json.loads,
    )


def _litserve(world: ServingWorld, binaries: Path) -> Contestant:
    return Contestant(
        name="LitServe",
        command=lambda port, workers: [
            *(str(binaries / "python"), "server.py", str(bundle_graph(world)), str(port), str(workers))
        ],
        folder=PEERS / "litserve",
        path="/predict",
        ready="/health",
        wire="lists",
        body=lambda rows: _body(world, "lists", rows),
        read=lambda body: json.loads(body)["predictions"],
    )


def _mlflow(world: ServingWorld, binaries: Path) -> Contestant:
    model = binaries.parent / "model"
    save = f"[ -d {model} ] || {binaries}/python save_model.py {bundle_graph(world)} {model}"
    serve = f"exec {binaries}/mlflow models serve -m {model} --env-manager local -h 127.0.0.1"
    return Contestant(
        name="mlflow models serve",
        command=lambda port, workers: ["bash", "-c", f"{save} && {serve} -p {port} -w {workers}"],
        env=lambda _port, _workers: {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "PATH": f"{binaries}:/usr/bin:/bin",
        },
        folder=PEERS / "mlflow",
        path="/invocations",
        ready="/ping",
        wire="inputs",
        body=lambda rows: _body(world, "inputs", rows),
        read=lambda body: json.loads(body)["predictions"]["prediction"],
    )


PEER_SERVERS: Mapping[str, Callable[[ServingWorld, Path], Contestant]] = {
    "mlserver": _mlserver,
    "bentoml": _bentoml,
    "litserve": _litserve,
    "mlflow": _mlflow,
}


def _body(world: ServingWorld, wire: Wire, rows: Rows) -> bytes:
    chosen = [world.arrays[row] for row in rows]
    return WIRES[wire]([texts for texts, _ in chosen], [numbers for _, numbers in chosen])


def _module(name: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", name, *map(str, arguments)]


def ours_online(world: ServingWorld, key: str, keys_file: Path) -> Contestant:
    """The same service asked by entity keys: it looks the features up, at the moment they were written for.

    Replay carries that moment, and turns the cache of online rows off.
    """
    given = ours(world, key, keys_file)
    moment = world.as_of.isoformat()
    return replace(
        given,
        name=OURS_ONLINE,
        env=lambda port, workers: given.env(port, workers) | {"ROUNDTRIP_REPLAY": "true"},
        body=lambda rows: write_json(
            {"instances": [{**world.fields[row], "prediction_time": moment} for row in rows]}
        ),
    )


def ours_durable(world: ServingWorld, key: str, keys_file: Path) -> Contestant:
    """The same service, whose answers wait until their lines of the log survive a loss of power."""
    given = ours(world, key, keys_file)
    return replace(
        given,
        name=OURS_DURABLE,
        env=lambda port, workers: given.env(port, workers) | {"ROUNDTRIP_LOG_DURABILITY": "power"},
    )
