"""Everything works through pgbouncer, which keeps nothing of a client between transactions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from connectors.consent_history import Change, ConsentHistory
from connectors.database_identity import database_id
from connectors.store import Store
from review.access import Role
from review.database import Database
from tests.pgbouncer import Pgbouncer
from tests.postgresql import Postgresql
from tests.review.conftest import fresh_url
from tests.review.office import open_office
from tests.review.said import ADA, BUSINESS, Customer
from tests.review.waiting import until_said

pytestmark = pytest.mark.integration

NAMES = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


@pytest.fixture(params=["session", "transaction"])
def url(request: Any, postgresql: Postgresql, tmp_path: Path) -> Iterator[str]:
    """Of an empty database, by way of a pooler."""
    pooler = Pgbouncer(postgresql, request.param)
    pooler.start()
    yield pooler.url(fresh_url("postgresql", tmp_path, request).rpartition("/")[2])
    pooler.stop()


def test_opt_outs_are_written_and_read_back(url: str) -> None:
    history = ConsentHistory(url)
    assert history.last_words() == []
    history.add([Change(1 << 20, BUSINESS, ADA, "out", "keyword")])
    assert [(word.customer, word.word) for word in history.last_words()] == [(ADA, "out")]
    assert len(history.words_since(0)) == 1


async def test_the_log_is_taken_and_read(
    url: str, store: Store, valkey_url: str, tmp_path: Path
) -> None:
    ada = Customer(store)
    await ada.opens()
    await ada.talks("Do you repair bikes?", "We do.")
    with open_office(url, valkey_url, tmp_path) as office:
        await until_said(office.database, 2)
        viewer = office.somebody(Role.VIEWER)
        found = await asyncio.to_thread(viewer.get, "/?q=repair")
        assert ada.session in found.text
        page = await asyncio.to_thread(viewer.get, f"/sessions/{ada.session}")
        assert "We do." in page.text


def test_several_may_migrate_at_once(url: str) -> None:
    databases = [Database.at(url) for _ in range(3)]
    with ThreadPoolExecutor(3) as migrating:
        list(migrating.map(Database.migrate, databases))
    for database in databases:
        database.close()


def test_no_limit_stays_with_whoever_comes_next(url: str) -> None:
    """In a pool of one connection, the next client gets the very same."""
    database_id(url)
    database = Database.at(url)
    database.migrate()
    with database.reading() as connection:
        connection.exec_driver_sql("SELECT 1")
    with psycopg2.connect(url) as client, client.cursor() as cursor:
        for name in NAMES:
            cursor.execute(f"SHOW {name}")
            assert cursor.fetchone() == ("0",)
    client.close()
    database.close()
