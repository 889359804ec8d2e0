"""One kept connection that writes at once and reads what is there: nothing is scheduled, no task waits."""

from http.client import HTTPConnection
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector
from socket import socket
from typing import Final

from experiments.benchmarks.http_serving.answer_reading import AnswerReader

HOST: Final = "127.0.0.1"
NOT_ANSWERED: Final = 0
# What one read takes at most: a larger buffer is mapped anew each time.
READ_BYTES: Final = 65_536


def connect(port: int) -> socket:
    """A socket that sends the end of a request without waiting for the rest to be acknowledged."""
    connection = HTTPConnection(HOST, port)
    connection.connect()
    connected: socket = connection.sock
    return connected


class KeptConnection:
    """Sends requests one after the other over one socket, which `selector` watches; not blocking.

    `answer`: the answer that came last, or what there is of the next.
    """

    def __init__(self, port: int, selector: BaseSelector) -> None:
        self.answer = AnswerReader()
        self._selector = selector
        self._unsent = b""
        self._socket = connect(port)
        self._socket.setblocking(False)
        selector.register(self._socket, EVENT_READ, self)

    def send(self, request: bytes) -> None:
        """Write a request, or as much of it as there is room for; `proceed` writes the rest."""
        if not self._unsent:
            try:
                sent = self._socket.send(request)
            except BlockingIOError:
                sent = 0
            except ConnectionError:
                return  # reading says so too
            if sent == len(request):
                return
            request = request[sent:]
            self._selector.modify(self._socket, EVENT_READ | EVENT_WRITE, self)
        self._unsent += request

    def proceed(self, events: int) -> int | None:
        """Do what the selector says can be done: the status of an answer that is whole now, else `None`.

        `NOT_ANSWERED` when the connection broke.
        """
        if events & EVENT_WRITE:
            self._send_rest()
        if not events & EVENT_READ:
            return None
        try:
            data = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return None
        except ConnectionError:
            return NOT_ANSWERED
        if not data:
            return NOT_ANSWERED
        return self.answer.status if self.answer.feed(data) else None

    def close(self) -> None:
        """Leave the selector and close."""
        self._selector.unregister(self._socket)
        self._socket.close()

    def _send_rest(self) -> None:
        unsent, self._unsent = self._unsent, b""
        self._selector.modify(self._socket, EVENT_READ, self)
        self.send(unsent)
