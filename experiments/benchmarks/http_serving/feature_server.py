"""Feast's own feature server, as the first half of what one would do without this service."""

import sys
from datetime import datetime
from typing import Any

from experiments.benchmarks.http_serving.contestants import HERE, Contestant, Rows
from experiments.benchmarks.http_serving.wire import write_json
from experiments.benchmarks.http_serving.world import ServingWorld

NAME = "Feast's feature server"


def feature_server(world: ServingWorld) -> Contestant:
    """The same registry and online store behind `feast serve`; it answers features, no predictions."""
    return Contestant(
        name=NAME,
        command=lambda port, _workers: [
            *(sys.executable, "-m", f"{HERE}.feast_server", str(world.settings.var), str(port))
        ],
        path="/get-online-features",
        ready="/health",
        body=lambda rows: write_json(
            {"feature_service": world.problem.feature_service, "entities": _entities(world, rows)}
        ),
        read=lambda _body: [],
    )


def _entities(world: ServingWorld, rows: Rows) -> dict[str, list[Any]]:
    """Keys and request fields by name; its on-demand views get no timestamps but seconds since 1970."""
    stamps = {field.name for field in world.problem.fields if field.dtype == "timestamp"}
    return {
        name: [
            _seconds(world.fields[row][name]) if name in stamps else world.fields[row][name] for row in rows
        ]
        for name in world.fields[0]
    }


def _seconds(stamp: str) -> int:
    return int(datetime.fromisoformat(stamp).timestamp())
