"""Callers that ask over plain sockets, request after request, and go on whatever happens to the service."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from uuid import uuid4

from tests.inference.world import instance

CALLERS = 3
PAUSE_SECONDS = 0.02


class Asking:
    """What was sent, what was acknowledged (predictions by request id), and what was answered otherwise.

    `degraded`: request ids of answers that said so.
    """

    def __init__(self, port: int) -> None:
        self._port, self._over = port, threading.Event()
        self.sent: set[str] = set()
        self.acknowledged: dict[str, float] = {}
        self.degraded: set[str] = set()
        self.refused: list[str] = []

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Ask while inside."""
        threads = [threading.Thread(target=self._ask_on) for _ in range(CALLERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _ask_on(self) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._over.is_set():
            name = uuid4().hex
            self.sent.add(name)
            try:
                self._ask(connection, name)
            except (OSError, HTTPException):
                connection.close()
                time.sleep(PAUSE_SECONDS)
        connection.close()

    def _ask(self, connection: HTTPConnection, name: str) -> None:
        body = json.dumps(instance(request_id=name)).encode()
        connection.request("POST", "/v1/predict", body, {"content-type": "application/json"})
        response = connection.getresponse()
        answered = response.read()
        if response.status == 200:
            document = json.loads(answered)
            self.acknowledged[name] = document["predictions"][0]["prediction"]
            if document["degraded"]:
                self.degraded.add(name)
        else:
            self.refused.append(f"{response.status}: {answered.decode()}")
