"""Reads one kept connection's answers: what every load is made of, whoever waits for them."""

from typing import Final

import httptools

HEAD_END: Final = b"\r\n\r\n"
LENGTH: Final = b"\r\ncontent-length:"
CHUNKED: Final = b"\r\ntransfer-encoding:"


class AnswerReader:
    """Takes one connection's bytes as they come; one answer at a time, since one request is open at a time.

    An answer that says its length is found by that: a parser for each answer takes longer than all else that
    a load does. Whatever says its length otherwise (chunks, statuses without a body) is left to httptools.
    `status` and `head` (in small letters) are the newest answer's.
    """

    def __init__(self) -> None:
        self.status = 0
        self.head = b""
        self._parts: list[bytes] = []
        # Bytes of the newest answer; its length is 0 until its head has been read.
        self._come = self._length = 0
        self._parser: httptools.HttpResponseParser | None = None
        self._whole = True

    def feed(self, data: bytes) -> bool:
        """Take what has come; whether the answer is whole."""
        if self._parser is not None:
            return self._parse(data)
        if self._whole:
            self._parts, self._come, self._length = [], 0, 0
        self._parts.append(data)
        self._come += len(data)
        if not self._length:
            self._read_head(b"".join(self._parts))
        if self._parser is not None:
            given, self._parts = b"".join(self._parts), []
            return self._parse(given)
        self._whole = 0 < self._length <= self._come
        return self._whole

    @property
    def body(self) -> bytes:
        """A whole answer's body."""
        given = b"".join(self._parts)
        return given[len(self.head) + len(HEAD_END) :] if self._length else given

    def on_body(self, body: bytes) -> None:
        """A part of what httptools reads."""
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """What httptools reads is whole."""
        self._whole = True

    def _read_head(self, given: bytes) -> None:
        """Find out how long the answer is, or who does."""
        ends = given.find(HEAD_END)
        if ends < 0:
            return
        self.head = head = given[:ends].lower()
        self.status = int(head[9:12])
        begins = head.find(LENGTH)
        if begins < 0 or CHUNKED in head:
            self._parser, self._whole = httptools.HttpResponseParser(self), False
            return
        said, _, _ = head[begins + len(LENGTH) :].partition(b"\r\n")
        self._length = ends + len(HEAD_END) + int(said)

    def _parse(self, data: bytes) -> bool:
        assert self._parser is not None
        self._parser.feed_data(data)
        if self._whole:
            self._parser = None
        return self._whole
