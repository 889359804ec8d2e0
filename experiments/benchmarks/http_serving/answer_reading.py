"""Reads one kept connection's answers: what every load is made of, whoever waits for them."""

import asyncio
from collections.abc import Sequence
from typing import cast

import httptools
import numpy as np


class AnswerReader(asyncio.Protocol):
    """Sends requests one after the other; `answered` is called with each status and body."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._chunks: list[bytes] = []
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, which calls back."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """A part of the answer."""
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        """The answer is whole."""
        body, self._chunks = b"".join(self._chunks), []
        status = self._parser.get_status_code()
        self._parser = httptools.HttpResponseParser(self)
        self.answered(status, body)

    def answered(self, status: int, body: bytes) -> None:
        """Take an answer."""
        raise NotImplementedError

    @property
    def transport(self) -> asyncio.WriteTransport:
        """What is written to; the connection must have been made."""
        assert self._transport is not None
        return self._transport


def latencies_ms(seconds: Sequence[float]) -> tuple[float, float]:
    """The median and the 99th percentile in milliseconds; 0 where nothing was answered."""
    if not seconds:
        return 0.0, 0.0
    p50, p99 = np.percentile(np.array(seconds) * 1_000, (50, 99))
    return float(p50), float(p99)
