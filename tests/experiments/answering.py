"""A server that answers as it is told, piece by piece, and answers of every kind."""

import socketserver
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from time import sleep

BETWEEN_PIECES = 0.005
STOP_SECONDS = 0.05
BODY = b'{"predictions":[0.5]}'
CHUNKED = (
    b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{"predict\r\nc\r\nions":[0.5]}\r\n0\r\n\r\n'
)


def answer(*headers: bytes, status: bytes = b"200 OK", body: bytes = BODY) -> bytes:
    lines = b"\r\n".join([b"HTTP/1.1 " + status, *headers])
    return lines + b"\r\n\r\n" + body


FIRST = answer(b"content-length: 21", b"content-type: application/json")
LAST = answer(b"Content-Type: application/json", b"X-Content-Length: 7", b"CONTENT-LENGTH:21")
REFUSED = answer(b"Retry-After: 2", b"Content-Length:  0 ", status=b"503 Service Unavailable", body=b"")
EMPTY = answer(b"x-request-id: 1", status=b"204 No Content", body=b"")


class Answering(socketserver.StreamRequestHandler):
    """Answers requests one by one with what `pieces` gives for each; ends the connection after `b""`."""

    disable_nagle_algorithm = True
    pieces: Callable[[bytes], list[bytes]]

    def handle(self) -> None:
        while length := self._read_length():
            for piece in type(self).pieces(self.rfile.read(length)):
                if not piece:
                    return
                self.wfile.write(piece)
                sleep(BETWEEN_PIECES)

    def _read_length(self) -> int:
        """How long the next request's body is; 0 when there is none."""
        length = 0
        while (line := self.rfile.readline()).strip():
            name, _, value = line.partition(b": ")
            if name == b"content-length":
                length = int(value)
        return length


class Server(socketserver.ThreadingTCPServer):
    """Lets many connect at once."""

    request_queue_size = 128
    daemon_threads = True


@contextmanager
def answering(pieces: Callable[[bytes], list[bytes]]) -> Iterator[int]:
    """A port of this machine whose requests get what `pieces` makes of their bodies."""
    kind = type("Given", (Answering,), {"pieces": staticmethod(pieces)})
    with Server(("127.0.0.1", 0), kind) as server:
        Thread(target=server.serve_forever, args=(STOP_SECONDS,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()
