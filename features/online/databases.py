"""Which database an address names."""

from collections.abc import Callable

from features.errors import OnlineStoreError
from features.online.database import SETTING, RowDatabase, redacted


def open_rows(address: str) -> RowDatabase:
    """Return the database at a URL: `sqlite:///…`, `redis://…`, `postgresql://…`. Connects when first used.

    Raises:
        OnlineStoreError: the address names no such database, or its client library is not installed.
    """
    opened = OPENERS.get(address.partition(":")[0])
    if opened is None:
        raise OnlineStoreError(
            f"{SETTING} begins with none of {', '.join(f'{scheme}://' for scheme in OPENERS)}; correct it"
        )
    return opened(address)


def _open_sqlite(address: str) -> RowDatabase:
    from features.online.sqlite_rows import SqliteRows, sqlite_path

    return SqliteRows(sqlite_path(address))


def _open_redis(address: str) -> RowDatabase:
    try:
        from features.online.redis_rows import RedisRows
    except ImportError as error:
        raise _not_installed(address, "redis") from error
    return RedisRows(address)


def _open_postgres(address: str) -> RowDatabase:
    try:
        from features.online.postgres_rows import PostgresRows
    except ImportError as error:
        raise _not_installed(address, "postgres") from error
    return PostgresRows(address)


def _not_installed(address: str, extra: str) -> OnlineStoreError:
    return OnlineStoreError(
        f"online store {redacted(address)}: its client is not installed; `pip install 'roundtrip[{extra}]'`"
    )


OPENERS: dict[str, Callable[[str], RowDatabase]] = {
    "sqlite": _open_sqlite,
    "redis": _open_redis,
    "rediss": _open_redis,
    "unix": _open_redis,
    "postgresql": _open_postgres,
    "postgres": _open_postgres,
}
