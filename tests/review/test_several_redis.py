"""Two Redis fill one database, and none of their records, nor an opt-out, is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql
from alembic import command
from alembic.config import Config
from hypothesis import given
from hypothesis import strategies as st

from connectors import keys
from connectors.consent_history import Change, ConsentHistory
from connectors.ids import entry_at_ms, entry_number, of_origin, origin_of
from connectors.store import Store
from review import tables
from review.database import MIGRATIONS, Database
from review.prompts import prompt
from tests.review.conftest import fresh_url
from tests.review.said import ADA, BEN, BUSINESS, Customer
from tests.review.test_taker import rows, taker_of

pytestmark = pytest.mark.integration


async def says(store: Store, conversation: str, session: str) -> None:
    """Five entries, with the very ids that another Redis gives."""
    told = {"sid": f"SM{conversation}", "business": BUSINESS, "customer": ADA, "body": "Hi"}
    call = {"rung": "model", "address": "", "like": ""}
    entries: tuple[tuple[str, dict[str, Any]], ...] = (
        ("session.opened", {"business": BUSINESS, "customer": ADA}),
        ("text", told),
        ("model.call", {**call, "body": [f'{{"{session}": 1}}']}),
        ("model.call", {**call, "like": "1700000000000-2", "body": [[0, 1]]}),
        ("weather.changed", {}),
    )
    for number, (kind, data) in enumerate(entries):
        fields: dict[Any, Any] = {"kind": kind, "conversation": conversation, "session": session}
        fields["data"] = json.dumps(data)
        await store.client.xadd(keys.LOG, fields, id=f"1700000000000-{number}")


async def test_equal_ids_of_two_redis_are_ten_records(store: Store, database: Database) -> None:
    taker = taker_of(store, database)
    await says(store, "a" * 32, "first")
    assert await taker.once() == 5
    await store.client.flushall()  # it begins anew
    await says(store, "b" * 32, "second")
    entries = await store.client.xrange(keys.LOG)
    assert await taker.once() == 5
    # Killed between the commit and the trim.
    for entry_id, fields in entries:
        await store.client.delete(keys.LOG)
        await store.client.xadd(keys.LOG, fields, id=entry_id)
        await taker.once()
    kept = rows(database, tables.records, tables.records.c.id)
    assert [row["session"] for row in kept] == ["first"] * 5 + ["second"] * 5
    assert [row["kind"] for row in kept][5:8] == ["session.opened", "text", "model.call"]
    assert {entry_at_ms(row["id"]) for row in kept} == {1_700_000_000_000}
    assert len(rows(database, tables.messages)) == 2


async def test_the_same_redis_is_the_same_origin_again(store: Store, database: Database) -> None:
    for _ in range(2):
        await Customer(store).talks("Hello", "Hi")
        await taker_of(store, database).once()
    (only,) = rows(database, tables.origins)
    assert only["number"] == 0
    assert await store.id_key() not in str(only)


@given(st.integers(0, (1 << 20) - 1), st.integers(0, 63))
def test_a_number_tells_whose_it_is(counter: int, origin: int) -> None:
    entry = entry_number(f"1700000000000-{counter}")
    number = of_origin(entry, origin)
    assert entry_at_ms(number) == 1_700_000_000_000
    assert of_origin(number, 64 - origin) == entry  # one to one
    if counter < 1 << 14:
        assert origin_of(number) == origin


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: Any, tmp_path: Path) -> str:
    return fresh_url(request.param, tmp_path, request)


def test_an_opt_out_with_the_number_of_another_redis_is_kept(url: str) -> None:
    history = ConsentHistory(url)
    entry = entry_number("1700000000000-0")
    ada = Change(entry, BUSINESS, ADA, "out", "keyword")
    for change in (ada, ada._replace(customer=BEN), ada, ada._replace(customer=BEN)):
        history.add([change])
    said = {(word.customer, word.word, word.at_ms) for word in history.last_words()}
    assert said == {(ADA, "out", 1_700_000_000_000), (BEN, "out", 1_700_000_000_000)}
    engine = sql.create_engine(url)
    with engine.connect() as connection:
        assert len(connection.execute(sql.text("SELECT * FROM consents")).all()) == 2
    engine.dispose()


def made_by_version_0_1(database: Database) -> None:
    with database.writing() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")


async def test_what_an_older_version_took_is_known(store: Store, url: str) -> None:
    database = Database.at(url)
    made_by_version_0_1(database)
    await says(store, "a" * 32, "first")
    first = entry_number("1700000000000-0")
    with database.writing() as connection:
        for number, kind in enumerate(("session.opened", "text")):
            record = {"id": first + number, "kind": kind, "data": "{}"}
            connection.execute(tables.records.insert().values(record))
    database.migrate()
    await taker_of(store, database).once()
    kept = [row["id"] for row in rows(database, tables.records)]
    assert kept == [first + n for n in range(5)]
    database.close()


async def test_a_prompt_that_leans_on_another_is_whole_in_every_redis(
    store: Store, database: Database
) -> None:
    taker = taker_of(store, database)
    for conversation, session in (("a" * 32, "first"), ("b" * 32, "second")):
        await store.client.flushall()
        await says(store, conversation, session)
        await taker.once()
    with database.reading() as connection:
        for origin, session in enumerate(("first", "second")):
            number = of_origin(entry_number("1700000000000-3"), origin)
            assert session in prompt(connection, session, str(number)).body
