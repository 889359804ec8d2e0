"""A caller who sends slowly, or never ends its headers, does not hold a connection for good."""

import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from inference.access.patient_connection import LARGEST_HEAD
from tests.inference.running import ServerProcess, is_live, wait_until
from tests.inference.world import world_settings

PATIENCE = 0.5
ENOUGH = 20 * PATIENCE
HEAD = b"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A served process that is not patient; it needs no model to turn a request away."""
    settings = world_settings(tmp_path_factory.mktemp("slow"), receive_seconds=PATIENCE)
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
def test_a_request_that_does_not_end_is_ended(url: str, begun: bytes) -> None:
    connection = connect(url)
    connection.sendall(begun)
    began = time.monotonic()

    answer = answer_to(connection)

    assert answer.startswith(b"HTTP/1.1 408")
    assert PATIENCE <= time.monotonic() - began < ENOUGH


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


def test_an_idle_connection_stays_for_the_next_request(url: str) -> None:
    with httpx.Client(base_url=url) as client:
        assert client.get("/health/live").status_code == 200
        time.sleep(2 * PATIENCE)
        assert client.get("/health/live").status_code == 200
