"""A connection answers plain requests for fast paths itself, and in every other way as uvicorn's would."""

import json
import logging
import re
import socket
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import uvicorn

from inference.prediction.admission import UNDISPUTED
from inference.rest.fast_path.response_head import encode_head
from inference.rest.timeouts import MOST_WAITING, TimedConnection, close_slow_callers
from inference.server import AnnouncedServer, take_port
from inference.settings import InferenceSettings
from tests.inference.running import running_server, wait_until
from tests.inference.validation.test_given_features import GIVEN
from tests.inference.world import instance

Answer = tuple[int, dict[str, str], Any]


@pytest.fixture
def connection(shared_service: httpx.Client) -> Iterator[socket.socket]:
    url = shared_service.base_url
    with socket.create_connection((url.host, url.port), timeout=30) as opened:
        yield opened


def body(name: str) -> bytes:
    return json.dumps(instance(request_id=f"connection-{name}")).encode()


def request(content: bytes, *headers: bytes, path: bytes = b"/v1/predict", version: bytes = b"1.1") -> bytes:
    named = (b"host: localhost", b"content-type: application/json")
    lines = [b"POST " + path + b" HTTP/" + version, *named, *headers]
    if not any(line.startswith((b"transfer-encoding", b"content-length")) for line in headers):
        lines.append(b"content-length: %d" % len(content))
    return b"\r\n".join([*lines, b"", b""]) + content


def read_answers(connection: socket.socket, number: int) -> list[Answer]:
    """So many answers, one after the other."""
    stream = connection.makefile("rb")
    return [read_answer(stream) for _ in range(number)]


def read_answer(stream: Any) -> Answer:
    status = int(stream.readline().split()[1])
    headers = dict(
        line.decode().rstrip().split(": ", 1) for line in iter(stream.readline, b"\r\n") if line.strip()
    )
    return status, headers, json.loads(stream.read(int(headers["content-length"])))


def request_ids(answers: list[Answer]) -> list[str]:
    assert [status for status, *_ in answers] == [200] * len(answers)
    return [document["predictions"][0]["request_id"] for *_, document in answers]


def test_requests_follow_each_other_on_one_connection(connection: socket.socket) -> None:
    for name in ("first", "second"):
        connection.sendall(request(body(name)))
        assert request_ids(read_answers(connection, 1)) == [f"connection-{name}"]


def test_pipelined_requests_are_answered_in_their_order(connection: socket.socket) -> None:
    names = [f"pipelined-{place}" for place in range(5)]

    connection.sendall(b"".join(request(body(name)) for name in names))

    assert request_ids(read_answers(connection, 5)) == [f"connection-{name}" for name in names]


def test_hot_and_other_paths_take_turns_on_one_connection(connection: socket.socket) -> None:
    other = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n"

    connection.sendall(other + request(body("turn-1")) + other + request(body("turn-2")) + other)

    answers = read_answers(connection, 5)
    assert [document.get("status") for *_, document in answers] == ["live", None, "live", None, "live"]
    assert request_ids(answers[1::2]) == ["connection-turn-1", "connection-turn-2"]


@pytest.mark.parametrize("cut", [10, 60, 120, 200])
def test_a_request_may_arrive_in_pieces(connection: socket.socket, cut: int) -> None:
    whole = request(body(f"pieces-{cut}"))

    for piece in (whole[:cut], whole[cut:-1], whole[-1:]):
        connection.sendall(piece)
        time.sleep(0.05)

    assert request_ids(read_answers(connection, 1)) == [f"connection-pieces-{cut}"]


def test_what_is_not_plain_is_answered_alike(connection: socket.socket) -> None:
    content = body("chunked")
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)

    connection.sendall(request(chunked, b"transfer-encoding: chunked"))
    (_, headers, plain), *_ = read_answers(connection, 1)
    connection.sendall(request(body("chunked")))
    (_, fast_headers, fast), *_ = read_answers(connection, 1)

    assert fast == plain
    assert fast_headers.keys() == headers.keys()


@pytest.mark.usefixtures("champion")
def test_a_service_without_the_fast_path_answers_alike(
    shared_service: httpx.Client, settings: InferenceSettings
) -> None:
    def ask(client: httpx.Client) -> list[tuple[int, Any]]:
        asked = [instance(request_id="switch"), {}, instance(spaces="many")]
        answers = [client.post("/v1/predict", json=body) for body in asked]
        return [(answer.status_code, answer.json()) for answer in answers]

    with running_server(settings.model_copy(update={"fast_path": False})) as plain:
        assert ask(plain) == ask(shared_service)


def test_an_expected_go_ahead_is_given(connection: socket.socket) -> None:
    content = body("expects")
    connection.sendall(request(b"", b"expect: 100-continue", b"content-length: %d" % len(content)))

    assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")
    connection.sendall(content)
    assert request_ids(read_answers(connection, 1)) == ["connection-expects"]


@pytest.mark.parametrize(
    "asked",
    [request(body("close"), b"connection: close"), request(body("old"), version=b"1.0")],
)
def test_a_connection_is_closed_where_the_caller_wants_it(connection: socket.socket, asked: bytes) -> None:
    connection.sendall(asked)

    assert request_ids(read_answers(connection, 1))
    assert connection.recv(1) == b""


def chunked(name: str) -> bytes:
    content = body(name)
    return request(b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content), b"transfer-encoding: chunked")


@pytest.mark.parametrize(
    "asked",
    [
        [request(body("half"))],
        [chunked("half-chunked")],
        [request(body(f"half-{place}")) for place in range(5)],
        [chunked("half-first"), request(body("half-second")), chunked("half-third")],
    ],
)
def test_who_sends_no_more_is_still_answered(connection: socket.socket, asked: list[bytes]) -> None:
    connection.sendall(b"".join(asked))
    connection.shutdown(socket.SHUT_WR)

    assert len(request_ids(read_answers(connection, len(asked)))) == len(asked)
    assert connection.recv(1) == b""


@pytest.mark.parametrize("begun", [b"", b"POST /v1/pre", request(body("torn"))[:-1], chunked("torn")[:-4]])
def test_who_sends_no_more_of_a_request_is_let_go(connection: socket.socket, begun: bytes) -> None:
    connection.sendall(begun)
    connection.shutdown(socket.SHUT_WR)

    assert connection.recv(1) == b""


@pytest.mark.parametrize("cut", [40, -1])
def test_a_request_is_answered_before_one_that_is_cut_off(connection: socket.socket, cut: int) -> None:
    connection.sendall(request(body("whole")) + request(body("cut"))[:cut])
    connection.shutdown(socket.SHUT_WR)

    assert request_ids(read_answers(connection, 1)) == ["connection-whole"]
    assert connection.recv(1) == b""


def test_a_body_of_no_length_or_a_lying_one_harms_nobody(
    connection: socket.socket, shared_service: httpx.Client
) -> None:
    connection.sendall(request(b"", b"content-length: 99999999999999"))
    ((status, *_),) = read_answers(connection, 1)

    assert status == 413
    assert shared_service.post("/v1/predict", json=instance()).status_code == 200


@pytest.mark.parametrize("asked", [instance(), {"features": GIVEN}])
def test_callers_who_go_leave_the_service_well(shared_service: httpx.Client, asked: dict[str, Any]) -> None:
    url = shared_service.base_url
    for _ in range(2 * UNDISPUTED):
        with socket.create_connection((url.host, url.port), timeout=30) as opened:
            opened.sendall(request(json.dumps(asked).encode()))

    assert shared_service.post("/v1/predict", json=asked).status_code == 200


def test_requests_behind_an_answer_that_is_not_read_are_dropped_without_a_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    paths = [b"/%d" % place for place in range(MOST_WAITING)]
    begun, ended, answer = list[str](), list[str](), bytes(10**6)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        begun.append(scope["path"])
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": answer})
        ended.append(scope["path"])

    config = uvicorn.Config(app, http=TimedConnection, loop="uvloop", lifespan="off", log_config=None)
    server = AnnouncedServer(config, "Serving", patience=0.0)
    logging.getLogger("uvicorn.error").addHandler(caplog.handler)
    with take_port("127.0.0.1", 0) as listening, socket.socket() as caller:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        caller.connect(listening.getsockname())
        caller.sendall(b"".join(b"GET " + path + b" HTTP/1.1\r\nhost: a\r\n\r\n" for path in paths))
        wait_until(lambda: begun and not server.server_state.connections, "the connection's end")
        server.should_exit = True
        thread.join()
    logging.getLogger("uvicorn.error").removeHandler(caplog.handler)

    assert ended == begun
    assert len(begun) < len(paths)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_prediction_is_counted_though_its_connection_was_closed_meanwhile(
    connection: socket.socket, shared_service: httpx.Client
) -> None:
    # A path of its own: callers of /v1/predict who left in tests before this one may still be counted.
    route = re.escape('roundtrip_requests_total{code="200",route="/invocations"} ')

    def counted() -> float:
        found = re.search(rf"^{route}(.+)$", shared_service.get("/metrics").text, re.M)
        return float(found.group(1)) if found else 0.0

    before = counted()
    asked = request(json.dumps({"dataframe_records": [GIVEN]}).encode(), path=b"/invocations")
    one_too_many = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n" * (MOST_WAITING + 1)
    connection.sendall(asked + one_too_many)

    wait_until(lambda: counted() == before + 1, "the prediction's count")


def test_an_idle_connection_is_closed_in_its_time() -> None:
    connection = TimedConnection.__new__(TimedConnection)
    closed: list[bool] = []
    connection.began_at, connection.idle_since, connection.timeout_keep_alive = None, 100.0, 75
    connection.transport = SimpleNamespace(is_closing=lambda: False)  # type: ignore[assignment]
    connection.cycle = None  # type: ignore[assignment]
    connection.timeout_keep_alive_handler = lambda: closed.append(True)  # type: ignore[method-assign]

    for now, expected in ((174.0, []), (176.0, [True])):
        close_slow_callers([connection], now, patience=1.0)
        assert closed == expected


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb"])
def test_no_header_of_an_answer_begins_another(value: bytes) -> None:
    assert encode_head(200, [(b"x-one", b"a")]) == b"HTTP/1.1 200 OK\r\nx-one: a\r\n"
    with pytest.raises(ValueError, match="line break"):
        encode_head(200, [(b"x-one", value)])
