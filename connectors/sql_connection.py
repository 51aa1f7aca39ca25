"""SQL connections to the session log's database, with a time limit on every wait.

What the server shall limit is told it in each transaction, with SET LOCAL: pgbouncer refuses
limits as parameters of a connection, and where it pools by transaction, a plain SET would stay on
a connection that somebody else's transaction gets next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, event, select
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.engine.url import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlalchemy.sql import func

from connectors.errors import StoreUnavailable
from connectors.settings import ROOT

# A database that hangs holds up a thread, never a customer; but the process cannot end meanwhile.
WAIT_SECONDS = 10
# libpq's own, on this side of the line: a server or pooler that is gone without a word is noticed.
LIBPQ = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": WAIT_SECONDS * 1000,
}
# PostgreSQL's CREATE TABLE IF NOT EXISTS fails when two do it at once, so makers take turns.
MAKER = 7270072


@dataclass(frozen=True)
class Limits:
    """Seconds that PostgreSQL lets a transaction run a statement, wait for a lock, and be idle.

    Idle means: its process does not say the next thing. A process that stopped in the middle loses
    its transaction, and with it every lock, when that time is over. 0 is no limit.
    """

    statement: float
    lock: float
    idle: float

    def set_local(self) -> str:
        return (
            f"SET LOCAL statement_timeout = {int(self.statement * 1000)};"
            f" SET LOCAL lock_timeout = {int(self.lock * 1000)};"
            f" SET LOCAL idle_in_transaction_session_timeout = {int(self.idle * 1000)}"
        )


LIMITS = Limits(statement=WAIT_SECONDS, lock=WAIT_SECONDS, idle=WAIT_SECONDS)


def limited(url: URL, limits: Limits, **options: Any) -> Engine:
    """An engine of PostgreSQL's whose every transaction begins with these limits."""
    # Not for everybody: most have no PostgreSQL.
    from connectors.postgresql_wait import LimitedConnection, limit_waiting

    limit_waiting()
    libpq = {**LIBPQ, "connection_factory": LimitedConnection}
    engine = create_engine(url, future=True, connect_args=libpq, **options)

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(limits.set_local())

    event.listen(engine, "begin", begin)
    return engine


def located(address: str) -> URL:
    """Files are below the project when relative."""
    url = make_url(address)
    if url.get_backend_name() == "sqlite":
        return url.set(database=str(ROOT / (url.database or "")))
    return url


def file_of(url: URL) -> Path | None:
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


@contextmanager
def begun(url: URL) -> Iterator[Connection]:
    """A transaction, also in a file that is not there yet. Raises StoreUnavailable."""
    with failures_named():
        if file := file_of(url):
            file.parent.mkdir(parents=True, exist_ok=True)
        with _open(url).begin() as connection:
            yield connection


@contextmanager
def connected(url: URL) -> Iterator[Connection]:
    """A transaction that only reads. Raises StoreUnavailable."""
    with failures_named(), _open(url).connect() as connection:
        yield connection


def make_in_turn(connection: Connection) -> None:
    """Until the end of the transaction nobody else makes a table that is not there yet."""
    if connection.dialect.name != "sqlite":
        connection.execute(select(func.pg_advisory_xact_lock(MAKER)))


def _open(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return limited(url, LIMITS, poolclass=NullPool)
    waits = {"timeout": WAIT_SECONDS}
    engine = create_engine(url, future=True, poolclass=NullPool, connect_args=waits)
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: Any, _: Any) -> None:
    # As the review app has it: readers and writer do not wait for each other.
    connection.execute("PRAGMA journal_mode = WAL")


@contextmanager
def failures_named() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        # Its message repeats the statement, and may repeat the address.
        raise StoreUnavailable(f"SESSION_LOG_URL: {type(error).__name__}") from None
    except OSError as error:
        raise StoreUnavailable(f"SESSION_LOG_URL: {error.strerror}") from None
