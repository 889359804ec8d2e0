"""In overload a plain request is refused before it is parsed, in every respect as one that was parsed is."""

import json
import re
import socket
from collections.abc import Iterator

import httptools
import httpx
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from inference.prediction.admission import Admission
from inference.rest.fast_path.connection import FastPathConnection
from inference.rest.fast_path.request_parser import read_whole
from tests.inference.rest.fast_path.test_connection import Answer, read_answers, request
from tests.inference.world import instance

BODY = json.dumps(instance(request_id="unread")).encode()
PLAIN = request(BODY)
LINE = b"POST /v1/predict HTTP/1.1"
DRAWN = re.compile(r"in \d s")


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (PLAIN, []),
        (request(b"", b"content-length: 0"), []),
        (request(BODY, b"X-Request-Id:  mine ", b"accept: */*"), [(b"x-request-id", b"mine")]),
        (request(BODY, b"x-connection: close", b"x-note: expect: nothing"), []),
    ],
)
def test_a_whole_plain_request_is_recognised(data: bytes, named: list[tuple[bytes, bytes]]) -> None:
    assert read_whole(data) == (LINE, named)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        PLAIN[:-1],
        PLAIN[:40],
        PLAIN + PLAIN,
        PLAIN + b"P",
        request(BODY, b"Connection: close"),
        request(BODY, b"Transfer-Encoding: chunked"),
        request(BODY, b"expect: 100-continue"),
        request(BODY, b"upgrade: websocket"),
        request(BODY, b"content-length: %d" % len(BODY), b"content-length: %d" % len(BODY)),
        request(BODY, b"content-length: -%d" % len(BODY)),
        request(BODY, b"content-length: %d" % 10**14),
        request(BODY, b"content-length:"),
        b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ],
)
def test_whatever_else_it_is_is_left_to_the_parser(data: bytes) -> None:
    assert read_whole(data) is None


class Heard:
    """What a real parser makes of bytes."""

    def __init__(self, data: bytes) -> None:
        self.ended, self.headers, self.body = 0, list[tuple[bytes, bytes]](), b""
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(data)
        self.line = b"%b %b HTTP/%b" % (parser.get_method(), self.url, parser.get_http_version().encode())
        self.stays = parser.should_keep_alive()

    def on_url(self, url: bytes) -> None:
        self.url = url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.ended += 1


PIECES = st.sampled_from(
    [
        *(
            b"\r\n",
            b"\r\n\r\n",
            b": ",
            b" ",
            b"\t",
            b"3",
            b"0",
            b"abc",
            b"x-request-id",
            b"content-length: 3",
        ),
        *(
            b"Content-Length: 0",
            b"transfer-encoding: chunked",
            b"connection: close",
            b"host: a",
            b"expect: 1",
        ),
    ]
)


@given(st.lists(PIECES, max_size=12).map(b"".join), st.binary(max_size=4))
@hypothesis_settings(max_examples=500)
def test_what_is_recognised_is_what_the_parser_hears(head: bytes, end: bytes) -> None:
    data = LINE + b"\r\n" + head + b"\r\n\r\n" + end
    read = read_whole(data)
    if read is None:
        return
    try:
        heard = Heard(data)
    except httptools.HttpParserError:
        return  # refused as overload where it would have been refused as no HTTP
    assert (heard.line, heard.ended, heard.stays) == (read[0], 1, True)
    assert [header for header in heard.headers if header[0] == b"x-request-id"] == list(read[1])


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The paths of the requests that were parsed."""
    seen: list[bytes] = []
    parse = FastPathConnection.on_headers_complete

    def note(connection: FastPathConnection) -> None:
        seen.append(connection.url)
        parse(connection)

    monkeypatch.setattr(FastPathConnection, "on_headers_complete", note)
    return seen


@pytest.fixture
def connection(service: httpx.Client, parsed: list[bytes]) -> Iterator[socket.socket]:
    """A connection that is made once parsing is noted: its parser keeps what it calls."""
    url = service.base_url
    with socket.create_connection((url.host, url.port), timeout=30) as opened:
        yield opened


def told(answer: Answer) -> tuple[int, list[str], str | None, object]:
    """An answer without what is drawn anew for each."""
    status, headers, document = answer
    return status, list(headers), headers.get("x-request-id"), DRAWN.sub("", json.dumps(document))


def refusals(service: httpx.Client) -> float:
    """Refusals that were counted: each as an answered request, and by its code."""
    lines = service.get("/metrics").text.splitlines()
    counted = re.compile(r"roundtrip_re\w+_total\{.*(/v1/predict.*503|503.*/v1/predict|overloaded)")
    return sum(float(line.rpartition(" ")[2]) for line in lines if counted.match(line))


def test_it_is_refused_as_a_parsed_one_is(
    service: httpx.Client, connection: socket.socket, parsed: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    asked, before = request(BODY, b"x-request-id: mine"), refusals(service)
    with monkeypatch.context() as full:
        full.setattr(Admission, "is_full", True)
        # when: one comes alone, then two at once
        connection.sendall(asked)
        unread = read_answers(connection, 1)
        counted, parsed_before = refusals(service), parsed.count(b"/v1/predict")
        connection.sendall(asked + asked)
        read = read_answers(connection, 2)
    # then
    assert (parsed_before, parsed.count(b"/v1/predict")) == (0, 2)
    assert told(unread[0]) == told(read[0]) == told(read[1])
    assert told(unread[0])[::2] == (503, "mine")
    assert 1 <= int(unread[0][1]["retry-after"]) <= 3
    assert (counted - before, refusals(service) - before) == (2, 6)


def test_a_connection_that_was_refused_on_is_answered_when_there_is_room(
    connection: socket.socket, parsed: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        full.setattr(Admission, "is_full", True)
        connection.sendall(PLAIN)
        ((refused, *_),) = read_answers(connection, 1)
    connection.sendall(PLAIN)
    ((answered, *_),) = read_answers(connection, 1)

    assert (refused, answered, parsed) == (503, 200, [b"/v1/predict"])


def test_other_paths_are_parsed_however_full_it_is(
    connection: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Admission, "is_full", True)
    connection.sendall(request(BODY, path=b"/v1/nowhere"))

    ((status, *_),) = read_answers(connection, 1)

    assert status in (404, 405)
