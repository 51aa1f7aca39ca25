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
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.pool import QueuePool

from connectors.settings import ROOT
from review.errors import DatabaseUnavailable

BUSY_SECONDS = 15.0
CONNECT_SECONDS = 5
# One writer at a time, on PostgreSQL too: the order of records is then the order of commits.
WRITER = 7270071
MERGED_PAGES = 500
MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """Gives out transactions. Every one raises DatabaseUnavailable."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writes = engine.execution_options(writes=True)

    @classmethod
    def at(cls, address: str) -> Database:
        """`address` is sqlite:///file, below the project when relative, or postgresql://..."""
        url = make_url(address)
        if url.get_backend_name() == "sqlite":
            return cls(_sqlite(url))
        return cls(
            sql.create_engine(
                url,
                future=True,
                pool_pre_ping=True,
                pool_size=10,
                executemany_mode="values_plus_batch",  # or each row is a way there and back
                connect_args={"connect_timeout": CONNECT_SECONDS},
            )
        )

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
        with self.writing() as connection:
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

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
    except (OperationalError, InterfaceError) as error:
        raise DatabaseUnavailable(_first_line(error)) from error
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise DatabaseUnavailable(_first_line(error)) from error


def _first_line(error: DBAPIError) -> str:
    """The driver's own words, without the statement and its values."""
    lines = str(error.orig).strip().splitlines()
    return f"SQL does not answer ({lines[0] if lines else type(error.orig).__name__})"


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
