"""Database: one engine on SQLite or PostgreSQL, its transactions, and its migrations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    StatementError,
    TimeoutError,
)
from sqlalchemy.pool import QueuePool

from connectors.settings import ROOT
from connectors.sql_connection import Limits, limited
from review.errors import DatabaseUnavailable

BUSY_SECONDS = 15.0
POOL_SECONDS = 15.0
# A process that stands still in a transaction loses it, and the writer's lock, before those who
# wait for the lock give up.
LIMITS = Limits(statement=60, lock=BUSY_SECONDS, idle=10)
# A big migration takes the time that it takes, and steps of Python lie between its statements.
LIMITS_OF_MIGRATIONS = Limits(statement=0, lock=BUSY_SECONDS, idle=60)
MIGRATION_SECONDS = 12 * 3600.0  # by our own clock, see postgresql_wait
# One writer at a time, on PostgreSQL too: the order of records is then the order of commits.
WRITER = 7270071
MERGED_PAGES = 500
# Classes of PostgreSQL's SQLSTATE. A value that is too long for an index is refused for ever,
TOO_MUCH = "54"
# what a transaction must not do in its state may be done in the next: it was ended because it was
# idle, or the server is a replica, as an old primary is after a failover,
WRONG_STATE = "25"
# and where an operator ends connections, the next one may lead to another server.
ENDED = ("25", "57P")
MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """Gives out transactions. Every one raises DatabaseUnavailable."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writes = engine.execution_options(writes=True)

    @classmethod
    def at(cls, address: str, limits: Limits = LIMITS) -> Database:
        """`address` is sqlite:///file, below the project when relative, or postgresql://..."""
        url = make_url(address)
        sqlite = url.get_backend_name() == "sqlite"
        return cls(_sqlite(url) if sqlite else _postgresql(url, limits))

    @property
    def is_sqlite(self) -> bool:
        return bool(self.engine.dialect.name == "sqlite")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with unavailable_is_named(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One after the other; committed at the end of the block, unless it raises."""
        with unavailable_is_named(), self._writes.begin() as connection:
            if not self.is_sqlite:
                connection.execute(sql.select(sql.func.pg_advisory_xact_lock(WRITER)))
            yield connection

    def migrate(self) -> None:
        """Bring the tables to what this version needs; several processes may do so at once."""
        with self.writing() as connection, self._unhurried(connection):
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextmanager
    def _unhurried(self, connection: Connection) -> Iterator[None]:
        """A transaction in which a statement may take as long as it takes."""
        if self.is_sqlite:
            yield
            return
        connection.exec_driver_sql(LIMITS_OF_MIGRATIONS.set_local())
        its_own = connection.connection.dbapi_connection
        its_own.answer_seconds = MIGRATION_SECONDS
        try:
            yield
        finally:
            del its_own.answer_seconds

    def purge(self) -> None:
        """Take what was deleted out of the file, too: words stay in SQLite's index until then.

        In small steps, so that nobody waits for long. PostgreSQL's autovacuum does it by itself.
        """
        if not self.is_sqlite:
            return
        merge = "INSERT INTO message_words(message_words, rank) VALUES ('merge', {})"
        changed, pages = 2, -MERGED_PAGES  # negative: all of the index, from its beginning
        while changed > 1:
            with self.writing() as connection:
                before = connection.exec_driver_sql("SELECT total_changes()").scalar_one()
                connection.exec_driver_sql(merge.format(pages))
                after = connection.exec_driver_sql("SELECT total_changes()").scalar_one()
            changed, pages = after - before, MERGED_PAGES
        with self.reading() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self.engine.dispose()


def insert_new(connection: Connection, table: sql.Table) -> Any:
    """An INSERT that passes over rows whose key is there already."""
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        return sqlite_insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects.postgresql import insert as postgresql_insert

    return postgresql_insert(table).on_conflict_do_nothing()


@contextmanager
def unavailable_is_named() -> Iterator[None]:
    """Turn the ways in which a database can be away into DatabaseUnavailable."""
    try:
        yield
    except TimeoutError as error:
        raise DatabaseUnavailable("all connections to SQL are in use") from error
    except DBAPIError as error:
        if not _may_pass(error):
            raise
        raise DatabaseUnavailable(_first_line(error)) from error


def is_about_values(error: Exception) -> bool:
    """Does SQL refuse what it was given? Everything else may pass, or is a mistake of ours."""
    if isinstance(error, DBAPIError):
        is_too_much = _code(error.orig).startswith(TOO_MUCH)
        return isinstance(error, (DataError, IntegrityError)) or is_too_much
    return isinstance(error, (StatementError, OverflowError, ValueError))


def _may_pass(error: DBAPIError) -> bool:
    code = _code(error.orig)
    if code.startswith(TOO_MUCH):
        return False
    is_away = isinstance(error, (OperationalError, InterfaceError))
    return is_away or error.connection_invalidated or code.startswith(WRONG_STATE)


def _code(error: object) -> str:
    """PostgreSQL's SQLSTATE in a driver's error, "" for SQLite and for what no server has said."""
    return str(getattr(error, "pgcode", None) or "")


def _first_line(error: DBAPIError) -> str:
    """The driver's own words, without the statement and its values."""
    lines = str(error.orig).strip().splitlines()
    return f"SQL does not answer ({lines[0] if lines else type(error.orig).__name__})"


def _postgresql(url: Any, limits: Limits) -> Engine:
    engine = limited(
        url,
        limits,
        pool_pre_ping=True,
        pool_size=10,
        pool_timeout=POOL_SECONDS,
        executemany_mode="values_plus_batch",  # or each row is a way there and back
    )
    sql.event.listen(engine, "handle_error", _leave)
    return engine


def _leave(failure: Any) -> None:
    """A connection to a server that only reads by now is no use, and those beside it neither."""
    if _code(failure.original_exception).startswith(ENDED):
        failure.is_disconnect = True


def _sqlite(url: Any) -> Engine:
    if url.database and url.database != ":memory:":
        file = ROOT / url.database
        file.parent.mkdir(parents=True, exist_ok=True)
        url = url.set(database=str(file))
    engine = sql.create_engine(
        url,
        future=True,
        poolclass=QueuePool,
        pool_size=10,
        pool_timeout=POOL_SECONDS,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    )

    sql.event.listen(engine, "connect", _prepare)
    sql.event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",  # what is taken off the stream must be on the disk
        "foreign_keys = ON",
        "secure_delete = ON",  # a deleted customer is gone from the file, too
        "cache_size = -64000",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    # A transaction that begins by reading and goes on by writing may find that it cannot.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
