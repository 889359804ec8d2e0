"""The online store in Redis: a hash per view, a field per key; a script in the server keeps the newest row.

A field's value is the row's rank (event and creation time, eight bytes each, so that bytes compare as times)
followed by its features. The field without a name says that the hash was laid out: a Redis that lost its data
is then told from one that knows no such key. Configure Redis not to evict (`maxmemory-policy noeviction`).
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from features.errors import OnlineStoreError
from features.online.database import SETTING, FoundRows, KeyBytes, NewRow, StoredRow, redacted, require_layout

CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 5.0
# A script holds Redis up for as long as it runs: 20,000 rows are tens of milliseconds.
ROWS_PER_SCRIPT = 20_000
PREFIX = "online:"
LAYOUT_FIELD, LAYOUT = b"", b"1"
RANK = struct.Struct(">QQ")
SIGN = 2**63
NO_CREATION = -1

KEEP_NEWEST = """
local function newest(new, stored)
  for position = 1, 16 do
    local left, right = new:byte(position), stored:byte(position)
    if left ~= right then return left > right end
  end
  return true
end
for _, hash in ipairs(KEYS) do
  if redis.call('HEXISTS', hash, '') == 0 then return hash end
end
for position = 1, #ARGV, 3 do
  local hash, key, row = KEYS[tonumber(ARGV[position])], ARGV[position + 1], ARGV[position + 2]
  local stored = redis.call('HGET', hash, key)
  if not stored or newest(row, stored) then redis.call('HSET', hash, key, row) end
end
return ''
"""


class RedisRows:
    """The `RowDatabase` of one Redis. Up to `ROWS_PER_SCRIPT` rows are written as one, more in such parts."""

    def __init__(self, address: str) -> None:
        self._name = redacted(address)
        self._client = _connect(address)
        self._keep_newest = self._client.register_script(KEEP_NEWEST)

    def fetch(self, wanted: Mapping[str, Sequence[KeyBytes]]) -> FoundRows:
        """Read in one round trip and one transaction."""
        if not wanted:
            return {}
        with self._explained():
            pipeline = self._client.pipeline(transaction=True)
            for table, keys in wanted.items():
                pipeline.hmget(PREFIX + table, [LAYOUT_FIELD, *keys])
            answers = dict(zip(wanted, pipeline.execute(), strict=True))
        require_layout([table for table, answer in answers.items() if answer[0] != LAYOUT], self._name)
        return {table: _found(wanted[table], answers[table][1:]) for table in wanted}

    def fetch_at_once(self, wanted: Mapping[str, Sequence[KeyBytes]]) -> FoundRows | None:  # noqa: ARG002
        """`None`: there is a network to wait for."""
        return None

    def upsert(self, rows: Mapping[str, Sequence[NewRow]]) -> None:
        """Write by a script in the server, which compares and replaces row by row undisturbed."""
        tables = list(rows)
        ranked = _ranked(rows)
        while part := list(islice(ranked, ROWS_PER_SCRIPT)):
            arguments = [argument for row in part for argument in row]
            with self._explained():
                missing = self._keep_newest(keys=[PREFIX + table for table in tables], args=arguments)
            require_layout([missing.decode()] if missing else [], self._name)

    def lay_out(self, tables: Sequence[str]) -> None:
        """Mark the hashes as laid out; what they hold stays."""
        with self._explained(), self._client.pipeline(transaction=True) as pipeline:
            for table in tables:
                pipeline.hset(PREFIX + table, LAYOUT_FIELD, LAYOUT)
            pipeline.execute()

    def drop(self, tables: Sequence[str]) -> None:
        """Remove the hashes."""
        with self._explained():
            if tables:
                self._client.unlink(*(PREFIX + table for table in tables))

    def clear(self, tables: Sequence[str]) -> None:
        """Replace the hashes by empty ones in one transaction."""
        with self._explained(), self._client.pipeline(transaction=True) as pipeline:
            for table in tables:
                pipeline.unlink(PREFIX + table)
                pipeline.hset(PREFIX + table, LAYOUT_FIELD, LAYOUT)
            pipeline.execute()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except redis.AuthenticationError as error:
            raise self._error(error, f"correct user and password in {SETTING}") from error
        except (redis.RedisError, OSError) as error:
            raise self._error(error, f"start Redis there, or correct {SETTING}") from error

    def _error(self, error: Exception, advice: str) -> OnlineStoreError:
        return OnlineStoreError(f"online store {self._name}: {error}; {advice}")


def _connect(address: str) -> redis.Redis:
    try:
        return redis.Redis.from_url(
            address,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            # A connection that a restarted server dropped is replaced at once.
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        )
    except ValueError:  # whose message may quote the password
        raise OnlineStoreError(f"{SETTING} is no address of a Redis; correct it") from None


def _ranked(rows: Mapping[str, Sequence[NewRow]]) -> Iterator[tuple[int, KeyBytes, bytes]]:
    for number, new in enumerate(rows.values(), start=1):
        for key, event, created, features in new:
            rank = RANK.pack(event + SIGN, (NO_CREATION if created is None else created) + SIGN)
            yield number, key, rank + features


def _found(keys: Sequence[KeyBytes], answers: Sequence[bytes | None]) -> dict[KeyBytes, StoredRow]:
    return {
        key: (RANK.unpack_from(row)[0] - SIGN, row[RANK.size :])
        for key, row in zip(keys, answers, strict=True)
        if row is not None
    }
