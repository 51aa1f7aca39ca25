"""The review app is killed and started again, many times, while customers talk."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql

from connectors import keys
from connectors.store import Store
from local.ports import free_port
from review import tables
from review.__main__ import main
from review.database import Database
from tests.review.conftest import fresh_url
from tests.review.office import PASSWORD
from tests.review.said import Customer

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

KILLS = {"sqlite": 50, "postgresql": 15}
CUSTOMERS = 40

# Each is a process of its own, forked from one that has imported the app already.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["review.__main__"])


def serve(environ: dict[str, str]) -> None:
    os.environ.update(environ)
    main([])


def start(environ: dict[str, str]) -> BaseProcess:
    process = _processes.Process(target=serve, args=(environ,))
    process.start()
    return process


async def talk(customers: list[Customer], until: asyncio.Event) -> None:
    """They talk until they are told to stop, and finish their sentences."""
    while not until.is_set():
        customer = random.choice(customers)
        if not customer.bodies:
            await customer.opens()
        number = len(customer.bodies)
        await customer.talks(f"question {number}", f"answer {number}")
        await asyncio.sleep(0.02)


@asynccontextmanager
async def talking(store: Store) -> AsyncIterator[list[Customer]]:
    customers = [Customer(store, conversation=f"{n:032x}") for n in range(CUSTOMERS)]
    until = asyncio.Event()
    task = asyncio.create_task(talk(customers, until))
    yield customers
    until.set()
    await task


def count(database: Database) -> int:
    with database.reading() as connection:
        table = tables.records
        return int(connection.execute(sql.select(sql.func.count()).select_from(table)).scalar_one())


@pytest.mark.parametrize("kind", KILLS)
async def test_after_all_kills_sql_has_what_was_said_once(
    kind: str, store: Store, valkey_url: str, tmp_path: Path, request: Any
) -> None:
    url = fresh_url(kind, tmp_path, request)
    environ = {
        "REDIS_URL": valkey_url,
        "SESSION_LOG_URL": url,
        "REVIEW_PORT": str(free_port()),
        "REVIEW_ADMIN_PASSWORD": PASSWORD,
    }
    database = Database.at(url)
    database.migrate()
    kills, rounds_that_took = KILLS[kind], 0
    async with talking(store) as customers:
        for _ in range(kills):
            before = count(database)
            process = start(environ)
            while count(database) == before and process.is_alive():
                await asyncio.sleep(0.01)
            await asyncio.sleep(random.uniform(0, 0.1))
            process.kill()
            await asyncio.to_thread(process.join)
            rounds_that_took += count(database) > before
    written = await store.client.xinfo_stream(keys.LOG)
    last = start(environ)
    try:
        while await store.client.xlen(keys.LOG):
            await asyncio.sleep(0.05)
    finally:
        last.kill()
        await asyncio.to_thread(last.join)

    assert rounds_that_took == kills
    assert count(database) == await entries_ever(store)
    check(database, customers)
    print(
        f"{kind}: {kills} kills, {count(database)} records, {written['length']} left for the last"
    )
    database.close()


async def entries_ever(store: Store) -> int:
    """Redis counts what was added to a stream, whatever became of it."""
    told: Any = await store.client.xinfo_stream(keys.LOG)
    return int(told["entries-added"])


def check(database: Database, customers: list[Customer]) -> None:
    with database.reading() as connection:
        messages, sessions = tables.messages.c, tables.sessions.c
        said = connection.execute(
            sql.select(sessions.id, messages.body)
            .join(tables.sessions, sessions.n == messages.n)
            .order_by(messages.id)
        ).all()
        counted = connection.execute(
            sql.select(sessions.id, sessions.texts, sessions.replies, sessions.turns)
        ).all()
        sums = connection.execute(
            sql.select(tables.figures.c.name, sql.func.sum(tables.figures.c.value)).group_by(
                tables.figures.c.name
            )
        ).all()
    spoke = {c.session: c.bodies for c in customers if c.bodies}
    assert {s: [body for of, body in said if of == s] for s in spoke} == spoke
    assert len(said) == sum(map(len, spoke.values()))
    for session, *numbers in counted:
        assert numbers == [len(spoke[session]) // 2] * 3
    total = {name: int(value) for name, value in sums}
    turns = len(said) // 2
    assert (total["texts"], total["delivered"], total["turns"]) == (turns, turns, turns)
