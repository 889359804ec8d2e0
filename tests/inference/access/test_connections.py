"""A served process's connections ask who calls, and nobody who sends slowly holds one for good."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from inference.rest.timeouts import LARGEST_HEAD
from inference.server import LARGEST_STRANGERS_BODY
from tests.inference.callers import bearer, new_key
from tests.inference.floods import UPGRADE
from tests.inference.running import SAYS_JSON, ServerProcess, is_live, wait_until
from tests.inference.world import instance, world_settings

PATIENCE = 0.5
ENOUGH = 20 * PATIENCE
HEAD = (
    b"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nx-api-key: TOKEN\r\n"
)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("access") / "keys.json"


@pytest.fixture(scope="module")
def token(keys: Path) -> str:
    return new_key(keys, "caller")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, keys: Path, token: str) -> Iterator[str]:
    """A served process that is not patient; it needs no model to turn a request away."""
    folder = tmp_path_factory.mktemp("slow")
    settings = world_settings(folder, receive_seconds=PATIENCE, api_keys=keys)
    process = ServerProcess(settings)
    wait_until(lambda: is_live(process.url), "the server")
    yield process.url
    process.kill()


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=ENOUGH)


def answer_to(connection: socket.socket) -> bytes:
    """Everything until the server closes."""
    received = b""
    while True:
        try:
            chunk = connection.recv(65_536)
        except ConnectionResetError:
            return received
        if not chunk:
            return received
        received += chunk


BODIES = {
    "short": json.dumps(instance()).encode(),
    "long": b" " * (LARGEST_STRANGERS_BODY + 1) + json.dumps(instance()).encode(),
}


@pytest.mark.parametrize("length", BODIES)
@pytest.mark.parametrize(
    "path", ["/v1/predict", "/v1/predict?again", "/invocations", "/v2/models/parking/infer"]
)
def test_every_way_to_a_prediction_asks_who_calls(url: str, token: str, path: str, length: str) -> None:
    with httpx.Client(base_url=url, headers=SAYS_JSON, timeout=30) as client:
        statuses = [
            client.post(path, content=BODIES[length], headers=headers).status_code
            for headers in ({}, bearer("rt_caller.wrong"), {"X-API-Key": token[:-1]}, bearer(token))
        ]

    assert statuses[:3] == [401, 401, 401]
    assert statuses[3] != 401


@pytest.mark.parametrize(
    "begun",
    [
        b"POST /v1/pre",
        HEAD,
        HEAD + b"content-length: 500\r\n\r\n",
        HEAD + b'content-length: 500\r\n\r\n{"site": ',
        HEAD + b'transfer-encoding: chunked\r\n\r\n5\r\n{"sit\r\n',
    ],
)
def test_a_request_that_does_not_end_is_ended(url: str, token: str, begun: bytes) -> None:
    connection = connect(url)
    connection.sendall(begun.replace(b"TOKEN", token.encode()))
    began = time.monotonic()

    answer = answer_to(connection)

    assert answer.startswith(b"HTTP/1.1 408")
    assert PATIENCE <= time.monotonic() - began < ENOUGH


def test_who_was_refused_before_the_end_is_not_answered_twice(url: str) -> None:
    connection = connect(url)
    connection.sendall(HEAD + b'transfer-encoding: chunked\r\n\r\n5\r\n{"sit\r\n')

    answer = answer_to(connection)

    assert answer.startswith(b"HTTP/1.1 401")
    assert answer.count(b"HTTP/1.1") == 1


def test_a_byte_now_and_then_buys_no_time(url: str) -> None:
    connection = connect(url)
    connection.sendall(HEAD)
    began = time.monotonic()
    try:
        while time.monotonic() - began < ENOUGH:
            connection.sendall(b"x-more: 1\r\n")
            time.sleep(0.1)
    except (BrokenPipeError, ConnectionResetError):
        pass

    assert time.monotonic() - began < ENOUGH / 2


def test_the_second_request_of_a_connection_is_no_exception(url: str) -> None:
    connection = connect(url)
    connection.sendall(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert b"200" in connection.recv(65_536)

    connection.sendall(HEAD)

    assert b"408" in answer_to(connection)


def test_endless_headers_are_cut_off(url: str) -> None:
    connection = connect(url)
    began = time.monotonic()
    sent = 0
    try:
        connection.sendall(HEAD)
        while sent < 100 * LARGEST_HEAD:
            connection.sendall(b"x-more: " + b"1" * 8_000 + b"\r\n")
            sent += 8_000
    except (BrokenPipeError, ConnectionResetError):
        pass

    assert sent < 100 * LARGEST_HEAD
    assert time.monotonic() - began < PATIENCE + 1


def test_a_key_in_a_trailer_is_none(url: str, token: str) -> None:
    connection = connect(url)
    trailer = f"x-api-key: {token}\r\n\r\n".encode()
    head = HEAD.replace(b"x-api-key: TOKEN\r\n", b"connection: close\r\n")

    connection.sendall(head + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + trailer)

    assert answer_to(connection).startswith(b"HTTP/1.1 401")


def test_an_upgrade_is_not_made_and_the_request_answered(url: str) -> None:
    connection = connect(url)
    connection.sendall(UPGRADE.replace(b"/v1/predict", b"/health/live"))

    answer = answer_to(connection)

    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer


def test_an_idle_connection_stays_for_the_next_request(url: str) -> None:
    with httpx.Client(base_url=url) as client:
        assert client.get("/health/live").status_code == 200
        time.sleep(2 * PATIENCE)
        assert client.get("/health/live").status_code == 200
