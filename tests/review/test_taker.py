"""From the stream into SQL: in order, once, and never in anybody's way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sql
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from connectors import keys
from connectors.store import Store
from review import tables
from review.database import Database
from review.errors import DatabaseUnavailable
from review.prices import Prices
from review.projection import Projection
from review.taker import Taker
from tests.postgresql import Postgresql
from tests.review.origin import origin
from tests.review.said import ADA, BUSINESS, Customer, events, raw

pytestmark = pytest.mark.integration


def taker_of(store: Store, database: Database) -> Taker:
    prices = Prices("USD", segment_out=0.01, segment_in=0.02, models={"small": (1.0, 2.0)})
    return Taker(store, database, Projection(prices))


def rows(database: Database, table: sql.Table, *order: Any) -> list[dict[str, Any]]:
    with database.reading() as connection:
        found = connection.execute(sql.select(table).order_by(*order or table.primary_key))
        return [dict(row) for row in found.mappings()]


def facets(database: Database) -> set[str]:
    return {row["key"] for row in rows(database, tables.facets)}


def figures(database: Database) -> dict[str, int]:
    return {row["name"]: row["value"] for row in rows(database, tables.figures)}


async def test_a_conversation_becomes_a_session_its_messages_and_their_fate(
    store: Store, database: Database
) -> None:
    ada = Customer(store)
    await ada.opens()
    await ada.talks("Do you repair bikes?", "We do.")
    assert await taker_of(store, database).once() == 5

    (session,) = rows(database, tables.sessions)
    assert (session["id"], session["customer"]) == (ada.session, ADA)
    assert (session["texts"], session["replies"], session["turns"]) == (1, 1, 1)
    assert (session["slowest_ms"], session["tokens"]) == (1500, 120)
    # 2 cents for the text, 1 for the answer, and 100 + 2 * 20 millionths for the tokens
    assert session["cost"] == 30_000 + 140
    text, answer = rows(database, tables.messages)
    assert (text["author"], text["body"]) == ("customer", "Do you repair bikes?")
    assert (answer["author"], answer["status"]) == ("assistant", "delivered")
    assert answer["sid"].startswith("SM")
    assert {"intent:nlu_fallback", "action:action_llm_reply", "model:small"} <= facets(database)
    assert f"number:{BUSINESS}" in facets(database)
    assert figures(database)["delivered"] == 1


async def test_what_sql_has_is_off_the_stream_and_what_it_has_not_stays(
    store: Store, sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await Customer(store).talks("Hello", "Hi")
    taker = taker_of(store, sqlite)

    def away() -> None:
        raise DatabaseUnavailable("SQL is away")

    with monkeypatch.context() as patch:
        patch.setattr(sqlite, "writing", away)
        with pytest.raises(DatabaseUnavailable):
            await taker.once()
    assert await store.client.xlen(keys.LOG) == 4
    await taker.once()
    assert await store.client.xlen(keys.LOG) == 0
    assert len(rows(sqlite, tables.records)) == 4


async def test_entries_that_come_again_are_known(store: Store, database: Database) -> None:
    ada = Customer(store)
    await ada.opens()
    await ada.talks("Hello", "Hi")
    entries = await store.client.xrange(keys.LOG)
    taker = taker_of(store, database)
    taker.take(entries[:3], await origin(store))  # killed between the commit and the trim
    taker.take(entries, await origin(store))
    (session,) = rows(database, tables.sessions)
    assert (session["texts"], session["replies"]) == (1, 1)
    assert len(rows(database, tables.records)) == len(entries)
    assert figures(database)["texts"] == 1


async def test_several_takers_take_each_entry_once(store: Store, database: Database) -> None:
    customers = [Customer(store, conversation=f"{n:032x}") for n in range(20)]
    for customer in customers:
        await customer.opens()
        await customer.talks("Hello", "Hi")
    await asyncio.gather(*(taker_of(store, database).once() for _ in range(4)))
    assert await store.client.xlen(keys.LOG) == 0
    assert len(rows(database, tables.records)) == 100
    assert {row["texts"] for row in rows(database, tables.sessions)} == {1}
    assert figures(database)["sessions"] == 20


async def test_a_record_that_is_nonsense_stands_aside_and_the_next_goes_on(
    store: Store, database: Database
) -> None:
    ada = Customer(store)
    await raw(store, kind="text", data="{")
    await raw(store, some="thing")
    await raw(store, kind="turn", session="s", data='{"texts": ["SM1"], "seconds": "soon"}')
    await raw(store, kind="turn", session="s", data='{"texts": ["SM1"], "seconds": 1e30}')
    await raw(store, kind="turn", session="s", data='{"texts": ["SM1"], "seconds": Infinity}')
    await ada.opens()
    await ada.texts("nul \x00 and half \ud83d a picture")
    await taker_of(store, database).once()
    why = [row["why"] for row in rows(database, tables.set_aside)]
    assert why[:2] == ["the data of this text is not JSON", "it has no kind"]
    assert ["unknown form" in reason for reason in why[2:]] == [True, False, True]
    assert [row["body"] for row in rows(database, tables.messages)] == [
        "nul \ufffd and half ? a picture"
    ]
    assert await store.client.xlen(keys.LOG) == 0


async def test_a_kind_that_nobody_knows_yet_is_kept_in_its_session(
    store: Store, database: Database
) -> None:
    ada = Customer(store)
    await ada.opens()
    await ada.record("weather.changed", {"to": "rain"})
    await ada.record("refused", {"reason": "the session is over"}, session="")
    await taker_of(store, database).once()
    kept = rows(database, tables.records)
    assert [row["kind"] for row in kept] == ["session.opened", "weather.changed", "refused"]
    assert {row["n"] for row in kept} == {1}
    assert rows(database, tables.sessions)[0]["refused"] == 1


async def test_a_failure_of_the_carrier_can_be_found(store: Store, database: Database) -> None:
    ada = Customer(store)
    await ada.opens()
    part = await ada.is_told("Hi", await ada.texts("Hello"))
    await ada.gets(part, "undelivered", "30034")
    await ada.loses(await ada.is_told("Are you there?", await ada.texts("?")), "too late")
    await taker_of(store, database).once()
    assert {"state:undelivered", "error:30034"} <= facets(database)
    assert rows(database, tables.sessions)[0]["undelivered"] == 2
    statuses = [row["status"] for row in rows(database, tables.messages)]
    assert statuses == ["", "undelivered", "", "dropped"]


async def test_texts_count_for_the_assistant_of_their_number(
    store: Store, sqlite: Database
) -> None:
    taker = taker_of(store, sqlite)
    for customer in (Customer(store), Customer(store, conversation="b" * 32)):
        await customer.opens()
        await customer.is_told("Hi", await customer.texts("Hello"), assistant="bikes")
        await taker.once()
    texts = {
        r["assistant"]: r["value"] for r in rows(sqlite, tables.figures) if r["name"] == "texts"
    }
    # Nobody knew at the very first text.
    assert texts == {"": 1, "bikes": 1}


async def test_reports_find_their_message_by_its_sid_alone(
    store: Store, database: Database
) -> None:
    ada = Customer(store)
    await ada.opens()
    part = await ada.is_told("Hi", await ada.texts("Hello"))
    await ada.record("part.sent", {"part": part, "sid": "SMx", "status": "queued"})
    taker = taker_of(store, database)
    await taker.once()
    lone = {"part": "", "sid": "SMx", "status": "delivered", "error_code": ""}
    await ada.record("part.status", lone, session="")
    await taker.once()
    assert rows(database, tables.messages)[1]["status"] == "delivered"


async def test_a_conversation_in_the_shell_is_read_from_its_events(
    store: Store, sqlite: Database
) -> None:
    shell = Customer(store)
    await shell.record("session.opened", {"business": "", "customer": ""})
    turn = {"texts": [], "parts": [], "events": events("Hello", "Hi"), "seconds": 0}
    await shell.record("turn", turn)
    await taker_of(store, sqlite).once()
    said = [(row["author"], row["body"]) for row in rows(sqlite, tables.messages)]
    assert said == [("customer", "Hello"), ("assistant", "Hi")]


async def test_sql_comes_back_and_the_taker_goes_on(
    store: Store, postgresql: Postgresql, request: Any, tmp_path: Any
) -> None:
    from tests.review.conftest import fresh_url

    database = Database.at(fresh_url("postgresql", tmp_path, request))
    database.migrate()
    taker = taker_of(store, database)
    running = asyncio.create_task(taker.run())
    try:
        postgresql.halt()
        ada = Customer(store)
        await ada.opens()
        await ada.talks("Hello", "Hi")
        while not taker.progress.trouble:
            await asyncio.sleep(0.05)
        postgresql.serve()
        while taker.progress.trouble or await store.client.xlen(keys.LOG):
            await asyncio.sleep(0.05)
        assert len(rows(database, tables.messages)) == 2
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        database.close()


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
def test_the_migrations_make_what_the_code_expects(database: Database) -> None:
    database.migrate()  # a second time is nothing
    with database.reading() as connection:
        found = compare_metadata(MigrationContext.configure(connection), tables.metadata)
    # Full-text search has tables and an index of its own.
    differences = [d for d in found if "message_words" not in str(d) and "alembic" not in str(d)]
    assert differences == []
