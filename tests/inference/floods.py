"""What a caller can send to harm a service: its worst in size, depth, count and slowness."""

import json
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import grpc
import httpx
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import StreamEnded, StreamReset
from h2.exceptions import ProtocolError

from tests.inference.running import wait_until
from tests.inference.world import instance

INFER: Final = "/inference.GRPCInferenceService/ModelInfer"
CHUNKED: Final = (
    b"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    b"transfer-encoding: chunked\r\n%b\r\n"
)
UPGRADE: Final = (
    b"GET /v1/predict HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
GET: Final = b"GET %b HTTP/1.1\r\nhost: localhost\r\n\r\n"
MEGABYTE: Final = 2**20
LOST: Final = (BrokenPipeError, ConnectionResetError, TimeoutError)


@dataclass(frozen=True)
class Target:
    """A served process, the key of one who may predict, and how much more than little is sent to it."""

    pid: int
    port: int
    grpc_port: int
    key: str
    scale: int = 1

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def connected(self, number: int = 1) -> Iterator[list[socket.socket]]:
        with ExitStack() as opened:
            address = "127.0.0.1", self.port
            yield [opened.enter_context(socket.create_connection(address, timeout=30)) for _ in range(number)]

    def descriptors(self) -> int:
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())

    def post(self, path: str, content: bytes) -> httpx.Response:
        headers = {"x-api-key": self.key, "content-type": "application/json"}
        return httpx.post(f"{self.url}{path}", content=content, headers=headers, timeout=60)


def send_until_closed(connection: socket.socket, piece: bytes, most: int) -> int:
    """Send a piece again and again; how many bytes were taken."""
    sent = 0
    with suppress(*LOST):
        while sent < most:
            connection.sendall(piece)
            sent += len(piece)
    return sent


def endless_trailers(target: Target, line: bytes) -> None:
    """Header lines after a chunked body whose sender nobody knows."""
    most = 64 * MEGABYTE * target.scale
    with target.connected() as (connection,):
        connection.sendall(CHUNKED % b"" + b"0\r\n")
        assert send_until_closed(connection, line * 4_000, most) < most


def upgrades(target: Target) -> None:
    """Changes to a protocol that nobody speaks."""
    with target.connected(50 * target.scale) as connections:
        for connection in connections:
            connection.sendall(UPGRADE)
        for connection in connections:
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))  # noqa: B023
            assert answer.startswith(b"HTTP/1.1 401")


def pipelined(target: Target) -> None:
    """Thousands of requests in one piece, none of whose answers is waited for."""
    with target.connected(40 * target.scale) as connections:
        for connection in connections:
            with suppress(*LOST):
                connection.sendall(GET % b"/health/live" * 5_000)
        httpx.get(f"{target.url}/health/live", timeout=60)


def unread_answers(target: Target) -> None:
    """Answers that nobody reads: their connections are closed in time."""
    before = target.descriptors()
    with target.connected(10 * target.scale) as connections:
        for connection in connections:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            connection.sendall(GET % b"/openapi.json" * 90)
        wait_until(lambda: target.descriptors() >= before + len(connections), "connections")
        wait_until(lambda: target.descriptors() <= before + len(connections) // 2, "closed connections")


def slow_bodies(target: Target) -> None:
    """Bodies that do not end, of more callers than are answered at once: others are answered meanwhile."""
    with target.connected(70 * target.scale) as connections:
        for connection in connections:
            connection.sendall(CHUNKED % f"x-api-key: {target.key}\r\n".encode() + b"1\r\n{\r\n")
        answer = target.post("/v1/predict", json.dumps(instance()).encode())
        assert answer.status_code == 200, answer.text


def countless_members(target: Target, path: str, start: bytes, end: bytes, value: str) -> None:
    """An object with hundreds of thousands of members that nobody knows."""
    members = ",".join(f'"k{place}":{value}' for place in range(150_000 * target.scale)).encode()
    answer = target.post(path, start + members + end)
    assert 400 <= answer.status_code < 500
    assert len(answer.content) < MEGABYTE


def deep_nesting(target: Target) -> None:
    """A list in a list in a list."""
    assert target.post("/v1/predict", b"[" * 4 * MEGABYTE).status_code == 400


class Streams:
    """Calls over one HTTP/2 connection, spoken by hand: messages may be announced and never end."""

    def __init__(self, target: Target, number: int, size: int, key: str | None) -> None:
        self._socket = socket.create_connection(("127.0.0.1", target.grpc_port), timeout=0.5)
        self._spoken = H2Connection()
        self._spoken.initiate_connection()
        self._ended: set[int] = set()
        self._exchange()
        announced = b"\0" + struct.pack(">I", size)
        self.left = dict[int, int]()
        for _ in range(number):
            stream = self._spoken.get_next_available_stream_id()
            self._spoken.send_headers(stream, request_headers(key))
            self._spoken.send_data(stream, announced)
            self.left[stream] = size - 1

    def __enter__(self) -> "Streams":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, most: int) -> int:
        """Send what the windows allow, until the service wants no more of it; how many bytes were sent."""
        sent, idle = 0, False
        while sent < most and not idle:
            taken = sum(map(self._send_some, self.left.keys() - self._ended))
            idle = not self._exchange() and not taken
            sent += taken
        return sent

    def _send_some(self, stream: int) -> int:
        try:
            window = self._spoken.local_flow_control_window(stream)
            some = min(window, self.left[stream], self._spoken.max_outbound_frame_size)
            if some > 0:
                self._spoken.send_data(stream, bytes(some))
                self.left[stream] -= some
                self._socket.sendall(self._spoken.data_to_send())
        except ProtocolError:
            return 0
        return max(some, 0)

    def _exchange(self) -> bool:
        """Send what is due and take in what came; whether something did."""
        self._socket.sendall(self._spoken.data_to_send())
        try:
            received = self._socket.recv(65_536)
        except TimeoutError:
            return False
        for event in self._spoken.receive_data(received):
            if isinstance(event, StreamEnded | StreamReset) and event.stream_id is not None:
                self._ended.add(event.stream_id)
                with suppress(ProtocolError):
                    self._spoken.reset_stream(event.stream_id, ErrorCodes.CANCEL)
        return bool(received)

    @property
    def ended(self) -> int:
        """How many calls the service has ended, after a moment."""
        self._exchange()
        return len(self._ended)


def request_headers(key: str | None) -> list[tuple[str, str]]:
    credentials = [("x-api-key", key)] if key else []
    request = {":method": "POST", ":scheme": "http", ":path": INFER, ":authority": "localhost"}
    return [*request.items(), ("te", "trailers"), ("content-type", "application/grpc"), *credentials]


def messages_of_strangers(target: Target) -> None:
    """Messages as long as may be, on many streams, of callers without a key."""
    with Streams(target, number=100, size=8 * MEGABYTE, key=None) as streams:
        sent = streams.send(256 * MEGABYTE * target.scale)
    assert sent < 32 * MEGABYTE


def slow_messages(target: Target) -> None:
    """Messages that do not end: each call is ended in its time, and others are answered meanwhile."""
    with Streams(target, number=90, size=1_000, key=target.key) as streams:
        streams.send(1)
        answer = target.post("/v1/predict", json.dumps(instance()).encode())
        assert answer.status_code == 200, answer.text
        wait_until(lambda: streams.ended == 90, "the calls' end")


def packed_message(target: Target) -> None:
    """A short message that unpacks to hundreds of megabytes."""
    options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    address = f"127.0.0.1:{target.grpc_port}"
    with grpc.insecure_channel(address, options, grpc.Compression.Gzip) as channel:
        call = channel.unary_unary(INFER)
        answer = call.future(bytes(192 * MEGABYTE), metadata=[("x-api-key", target.key)], timeout=60)
        assert answer.code() is grpc.StatusCode.RESOURCE_EXHAUSTED, answer.details()


FLOODS: Final[dict[str, Callable[[Target], None]]] = {
    "trailers": partial(endless_trailers, line=b"x-more: 1\r\n"),
    "one endless trailer": partial(endless_trailers, line=b"x-more-of-it"),
    "upgrades": upgrades,
    "pipelined requests": pipelined,
    "unread answers": unread_answers,
    "slow bodies": slow_bodies,
    "unknown fields": partial(countless_members, path="/v1/predict", start=b"{", end=b"}", value="0"),
    "wrong features": partial(
        countless_members, path="/v1/predict", start=b'{"features":{', end=b"}}", value="[]"
    ),
    "fields beside instances": partial(
        countless_members, path="/v1/predict", start=b'{"instances":[{}],', end=b"}", value="0"
    ),
    "unknown columns": partial(
        countless_members, path="/invocations", start=b'{"inputs":{', end=b"}}", value="[]"
    ),
    "nesting": deep_nesting,
    "messages of strangers": messages_of_strangers,
    "slow messages": slow_messages,
    "a packed message": packed_message,
}
