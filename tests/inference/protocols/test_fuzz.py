"""Spoiled messages of every protocol: each is answered or refused, and memory stays bounded."""

import gc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest

from inference.protocols.open_inference.grpc_server import STREAMS
from inference.settings import InferenceSettings
from tests.inference.given_rows import ROWS, expected
from tests.inference.mutated_messages import (
    Message,
    bulky_grpc_messages,
    bulky_messages,
    grpc_message,
    mutated,
    mutated_bytes,
    valid_messages,
)
from tests.inference.running import ServerProcess, free_port, running_server
from tests.inference.world import copy_served

INFER_CALL = "/inference.GRPCInferenceService/ModelInfer"
ANSWERING = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
SEED = 4
FEW, MANY = 300, 10_000
# What the service may grow by under any number of messages, most of which are refused.
MOST_GROWTH = 96 * 2**20
# What one body may take while it is read, made to be small on the wire and large in memory.
MOST_TIMES_THE_BODY = 64


@pytest.fixture(scope="module")
def fuzzed(built_world: Path, tmp_path_factory: pytest.TempPathFactory) -> InferenceSettings:
    var = tmp_path_factory.mktemp("fuzzed") / "var"
    return copy_served(built_world, var, grpc_port=free_port())


@pytest.fixture(scope="module")
def client(fuzzed: InferenceSettings) -> Iterator[httpx.Client]:
    with running_server(fuzzed) as opened:
        yield opened


def resident(pid: int | str | None, figure: str = "VmRSS") -> int:
    """A process's resident bytes: just now, or (`VmHWM`) the most that they ever were."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split(f"{figure}:")[1].split()[0]) * 1024


def send(client: httpx.Client, message: Message) -> httpx.Response:
    return client.post(message.path, content=message.body, headers=message.headers)


def ask_spoiled(client: httpx.Client, count: int, seed: int) -> Counter[int]:
    statuses: Counter[int] = Counter()
    for message in mutated(count, seed):
        response = send(client, message)
        assert response.status_code < 500, (message, response.text)
        if response.status_code != 200:
            text = response.json()
            assert text.get("error") or text.get("message"), (message, response.text)
        statuses[response.status_code] += 1
    return statuses


def ask_spoiled_grpc(settings: InferenceSettings, count: int, seed: int) -> Counter[grpc.StatusCode]:
    codes: Counter[grpc.StatusCode] = Counter()
    with grpc.insecure_channel(f"127.0.0.1:{settings.grpc_port}") as channel:
        call = channel.unary_unary(INFER_CALL)
        for body in mutated_bytes(grpc_message(), count, seed):
            answer = call.future(body, timeout=30)
            assert answer.code() in ANSWERING, (body, answer.code(), answer.details())
            codes[answer.code()] += 1
    return codes


def test_messages_that_are_not_spoiled_are_answered(client: httpx.Client) -> None:
    assert {send(client, message).status_code for message in valid_messages()} == {200}


def test_spoiled_messages_are_refused_or_answered(client: httpx.Client, fuzzed: InferenceSettings) -> None:
    before = resident("self")

    statuses = ask_spoiled(client, FEW, SEED)
    codes = ask_spoiled_grpc(fuzzed, FEW, SEED)

    assert statuses[400] > FEW / 2
    assert codes[grpc.StatusCode.INVALID_ARGUMENT] > FEW / 4
    assert resident("self") - before < MOST_GROWTH
    assert len(expected(client)) == len(ROWS)


def test_refused_calls_end_without_the_garbage_collector(
    client: httpx.Client, fuzzed: InferenceSettings
) -> None:
    gc.disable()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{fuzzed.grpc_port}") as channel:
            call = channel.unary_unary(INFER_CALL)
            codes = {call.future(b"\xff", timeout=60).code() for _ in range(2 * STREAMS)}
    finally:
        gc.enable()
    assert codes == {grpc.StatusCode.INVALID_ARGUMENT}


def ask_bulky(client: httpx.Client, settings: InferenceSettings) -> None:
    for message in bulky_messages(settings.max_body_bytes):
        response = send(client, message)
        assert 400 <= response.status_code < 500, (message.body[:200], response.text)
    with grpc.insecure_channel(f"127.0.0.1:{settings.grpc_port}") as channel:
        call = channel.unary_unary(INFER_CALL)
        for body in bulky_grpc_messages(settings.max_body_bytes):
            assert call.future(body, timeout=60).code() in ANSWERING - {grpc.StatusCode.OK}


@pytest.mark.nightly
def test_ten_thousand_spoiled_messages_leave_a_service_as_it_was(fuzzed: InferenceSettings) -> None:
    settings = fuzzed.model_copy(update={"grpc_port": free_port()})
    server = ServerProcess(settings)
    try:
        server.wait_until_ready()
        with httpx.Client(base_url=server.url, timeout=30) as client:
            ask_spoiled(client, FEW, SEED)
            before = resident(server.process.pid)

            ask_spoiled(client, MANY, SEED + 1)
            ask_spoiled_grpc(settings, MANY, SEED + 1)

            assert resident(server.process.pid) - before < MOST_GROWTH
            ask_bulky(client, settings)
            assert (
                resident(server.process.pid, "VmHWM") - before < MOST_TIMES_THE_BODY * settings.max_body_bytes
            )
            assert len(expected(client)) == len(ROWS)
    finally:
        server.kill()
