"""Nobody waits for ever for SQL, and nothing that passes with time costs an entry its place."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql
from sqlalchemy.exc import OperationalError

from connectors import keys, postgresql_wait
from connectors.postgresql_wait import LimitedConnection
from connectors.sql_connection import Limits
from connectors.store import Store
from review import database as review_database
from review import tables
from review.database import LIMITS, Database
from review.errors import DatabaseUnavailable
from tests.postgresql import Postgresql
from tests.review.conftest import fresh_url
from tests.review.said import Customer, raw
from tests.review.test_taker import rows, taker_of

pytestmark = pytest.mark.integration

SHORT = Limits(statement=5, lock=4, idle=1)
_processes = multiprocessing.get_context("forkserver")


@pytest.fixture
def url(request: Any, tmp_path: Path) -> str:
    return fresh_url("postgresql", tmp_path, request)


@pytest.fixture
def postgresql_log(url: str) -> Iterator[Database]:
    database = Database.at(url, SHORT)
    database.migrate()
    yield database
    database.close()


def hold_the_lock(url: str, told: Any) -> None:
    """Say that the writer's lock is held, write on when told so, and say how that went."""
    database = Database.at(url, SHORT)
    try:
        with database.writing() as connection:
            connection.execute(tables.tags.insert().values(name="half"))
            told.send("held")
            told.recv()
            connection.execute(tables.tags.insert().values(name="done"))
    except DatabaseUnavailable:
        told.send("unavailable")
    with database.writing() as connection:
        connection.execute(tables.tags.insert().values(name="again"))
    told.send("went on")


def test_a_frozen_holder_of_the_writers_lock_loses_it_and_goes_on_when_thawed(
    url: str, postgresql_log: Database
) -> None:
    ours, theirs = _processes.Pipe()
    holder = _processes.Process(target=hold_the_lock, args=(url, theirs))
    holder.start()
    assert holder.pid is not None
    try:
        assert ours.recv() == "held"
        os.kill(holder.pid, signal.SIGSTOP)
        began = time.monotonic()
        with postgresql_log.writing() as connection:
            connection.execute(tables.tags.insert().values(name="other"))
        assert time.monotonic() - began < SHORT.lock
        os.kill(holder.pid, signal.SIGCONT)
        ours.send("write on")
        assert [ours.recv(), ours.recv()] == ["unavailable", "went on"]
    finally:
        holder.kill()
        holder.join(10)
    assert [row["name"] for row in rows(postgresql_log, tables.tags)] == ["other", "again"]


def test_the_holder_loses_the_lock_before_others_give_up() -> None:
    assert 0 < LIMITS.idle < LIMITS.lock


def test_a_writer_that_waits_too_long_is_told_so(url: str, postgresql_log: Database) -> None:
    busy = Database.at(url, replace(SHORT, idle=0))
    waits = Database.at(url, replace(SHORT, lock=0.2))
    with busy.writing(), pytest.raises(DatabaseUnavailable, match="lock timeout"), waits.writing():
        pass
    with waits.writing():
        pass
    for database in (busy, waits):
        database.close()


def test_a_statement_that_takes_too_long_is_ended(url: str, postgresql_log: Database) -> None:
    database = Database.at(url, replace(SHORT, statement=0.2))
    ended = pytest.raises(DatabaseUnavailable, match="statement timeout")
    with ended, database.reading() as connection:
        connection.exec_driver_sql("SELECT pg_sleep(20)")
    database.migrate()  # has no such limit
    database.close()


def test_a_migration_has_no_limit_for_a_statement(
    postgresql_log: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def upgrade(config: Any, revision: str) -> None:
        connection = config.attributes["connection"]
        seen.append(connection.exec_driver_sql("SHOW statement_timeout").scalar())

    monkeypatch.setattr("review.database.command.upgrade", upgrade)
    postgresql_log.migrate()
    assert seen == ["0"]


def test_a_server_that_is_frozen_is_noticed_by_our_own_clock(
    postgresql_log: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its kernel acknowledges what we send, and its own limits do not hold."""
    monkeypatch.setattr(LimitedConnection, "answer_seconds", 0.5)
    with postgresql_log.reading() as connection:
        backend = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        os.kill(backend, signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(OperationalError, match=r"has not answered in 0\.5 s"):
            connection.exec_driver_sql("SELECT 1")
    os.kill(backend, signal.SIGCONT)
    assert time.monotonic() - began < 3
    with postgresql_log.reading() as connection:  # on another connection
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1


def test_a_server_that_accepts_and_says_nothing_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(postgresql_wait, "CONNECT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        database = Database.at(f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/x")
        with pytest.raises(DatabaseUnavailable, match="has not answered"), database.reading():
            pass
        database.close()


@contextmanager
def only_reading(server: Postgresql, name: str) -> Iterator[None]:
    """Connections that are opened meanwhile only read, for as long as they stand."""
    engine = sql.create_engine(server.url(), isolation_level="AUTOCOMMIT", future=True)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        yield
        connection.exec_driver_sql(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    engine.dispose()


async def test_what_may_pass_never_sets_an_entry_aside(
    store: Store, url: str, postgresql: Postgresql, postgresql_log: Database
) -> None:
    """After a failover, standing connections lead to a server that only reads."""
    await Customer(store).talks("Hello", "Hi")
    taker = taker_of(store, postgresql_log)
    name = url.rpartition("/")[2]
    with only_reading(postgresql, name):
        postgresql_log.engine.dispose()
        with pytest.raises(DatabaseUnavailable, match="read-only"):
            await taker.once()
    # The taker's connection was opened while it was on; a fresh one is needed, and taken.
    assert await taker.once() == 4
    assert rows(postgresql_log, tables.set_aside) == []
    assert len(rows(postgresql_log, tables.records)) == 4


def test_connections_that_an_operator_ends_are_made_anew(
    url: str, postgresql_log: Database
) -> None:
    with pytest.raises(DatabaseUnavailable), postgresql_log.reading() as connection:
        connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
    with postgresql_log.reading() as connection:
        connection.exec_driver_sql("SELECT 1")


async def test_an_entry_that_no_index_takes_stands_aside_and_the_next_goes_on(
    store: Store, postgresql_log: Database
) -> None:
    noise = "".join(f"{n * 2654435761 % 2**32:08x}" for n in range(2000))
    await raw(store, kind="text", session=noise, conversation="c", data='{"sid": "SM1"}')
    await Customer(store).talks("Hello", "Hi")
    await taker_of(store, postgresql_log).once()
    assert await store.client.xlen(keys.LOG) == 0
    assert len(rows(postgresql_log, tables.set_aside)) == 1
    assert len(rows(postgresql_log, tables.records)) == 4


def test_a_pool_that_is_empty_is_named(postgresql_log: Database) -> None:
    engine = sql.create_engine(
        postgresql_log.engine.url, future=True, pool_size=1, max_overflow=0, pool_timeout=0.1
    )
    database = Database(engine)
    in_use = pytest.raises(DatabaseUnavailable, match="in use")
    with database.reading(), in_use, database.reading():
        pass
    database.close()


def test_a_holder_of_sqlites_lock_is_waited_for_and_then_named(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can take that lock from it."""
    file = str(sqlite.engine.url.database)
    monkeypatch.setattr(review_database, "BUSY_SECONDS", 0.2)
    other = Database.at(f"sqlite:///{file}")
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailable, match="locked"), other.writing():
        pass
    holder.execute("ROLLBACK")
    with other.writing():
        pass
    holder.close()
    other.close()
