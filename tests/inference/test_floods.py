"""A service that is sent the worst stays live, and holds no more than its limits say."""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.inference.callers import new_key
from tests.inference.floods import FLOODS, MEGABYTE, Target
from tests.inference.protocols.test_fuzz import resident
from tests.inference.running import ServerProcess, free_port
from tests.inference.world import add_version, set_champion, world_settings

PATIENCE = 2.0
# What one large body may take meanwhile, whatever is in it, and how long the event loop may be busy with it.
MOST_GROWTH = 160 * MEGABYTE
LONGEST = 5.0
LONG_FORM = pytest.param(4, marks=pytest.mark.nightly)


@pytest.fixture(scope="module")
def target(built_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("flooded")
    shutil.copytree(built_world, folder / "var")
    settings = world_settings(
        folder / "var", grpc_port=free_port(), api_keys=folder / "keys.json", receive_seconds=PATIENCE
    )
    key = new_key(folder / "keys.json", "caller")
    set_champion(settings, add_version(settings, 1.0))
    port = free_port()
    server = ServerProcess(settings, port)
    try:
        server.wait_until_ready()
        assert server.process.pid
        assert settings.grpc_port
        yield Target(server.process.pid, port, settings.grpc_port, key)
    finally:
        server.kill()


@contextmanager
def asked_on(url: str) -> Iterator[list[float]]:
    """How long `/health/live` takes to answer, again and again while inside."""
    over, seconds = threading.Event(), list[float]()

    def ask() -> None:
        while not over.is_set():
            began = time.monotonic()
            assert httpx.get(f"{url}/health/live", timeout=120).status_code == 200
            seconds.append(time.monotonic() - began)
            over.wait(0.05)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield seconds
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("scale", [1, LONG_FORM])
@pytest.mark.parametrize("name", FLOODS)
def test_whatever_is_sent_the_service_stays_live_and_small(target: Target, name: str, scale: int) -> None:
    Path(f"/proc/{target.pid}/clear_refs").write_text("5")  # the peak is counted from here
    before = resident(target.pid)

    with asked_on(target.url) as seconds:
        FLOODS[name](replace(target, scale=scale))

    assert max(seconds) < LONGEST * scale
    assert resident(target.pid, "VmHWM") - before < MOST_GROWTH * scale
