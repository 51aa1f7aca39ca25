"""A customer is exported and deleted, everywhere; old sessions go by themselves."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sql

from connectors import keys
from connectors.consent import out_state
from connectors.consent_history import ConsentHistory
from connectors.errors import SendUnavailable
from connectors.forget import forget
from connectors.settings import Settings
from connectors.store import Store
from connectors.twilio_api import TwilioApi
from review import privacy, tables
from review.access import Role
from review.database import Database
from review.errors import NotAtTwilio
from review.judging import Judge
from review.operations import PREFIX
from review.prices import Prices
from review.privacy import DAY_MS, Eraser, Retention
from review.projection import Projection
from review.taker import Entry, Taker
from tests.pretend_business import ACCOUNT, BUSINESS, TOKEN, open_twilio, pretend_config
from tests.review.office import Office
from tests.review.said import BEN, Customer, raw

pytestmark = pytest.mark.integration

EVERYTHING = (tables.records, tables.messages, tables.facets, tables.notes, tables.reviews)


@dataclass
class Twilio:
    """Notes what it was asked to empty, or says that it cannot now."""

    is_away: bool = False
    emptied: list[str] = field(default_factory=list)

    async def redact(self, sid: str) -> None:
        if self.is_away:
            raise SendUnavailable("Twilio is away")
        self.emptied.append(sid)


def taker_of(store: Store, database: Database) -> Taker:
    return Taker(store, database, Projection(Prices("USD", 0.01, 0.01, {})))


def everything(database: Database) -> str:
    """All that SQL has, as one text."""
    with database.reading() as connection:
        return json.dumps(
            [
                [str(value) for value in row]
                for table in (*EVERYTHING, tables.sessions, tables.audit)
                for row in connection.execute(sql.select(table))
            ]
        )


async def two_customers(store: Store, database: Database) -> tuple[Customer, Customer]:
    """Ada has two sessions, one is still in Redis; Ben has one."""
    ada, ben = Customer(store), Customer(store, BEN, conversation="b" * 32)
    for customer in (ada, Customer(store, session="an-earlier-one"), ben):
        await customer.opens()
        await customer.talks(f"I am {customer.number[-4:]}", "Good to know")
    await taker_of(store, database).once()
    with database.writing() as connection:
        judge = Judge(connection, "somebody")
        judge.note(ada.session, "comment", "she is nice")
        judge.review(ada.session, "reviewed")
    for customer in (ada, ben):
        await store.client.hset(keys.session(customer.conversation), mapping={"id": "x"})
        await store.client.rpush(keys.events(customer.conversation), "{}")
        await store.client.rpush(keys.lane_items("inbox", customer.conversation), "text")
        letter = json.dumps({"conversation": customer.conversation, "items": []})
        await store.client.rpush(keys.DEAD_LETTERS, letter)
    return ada, ben


async def test_a_deleted_customer_is_gone_everywhere_and_the_others_are_not(
    store: Store, database: Database
) -> None:
    ada, ben = await two_customers(store, database)
    twilio, taker = Twilio(), taker_of(store, database)
    await store.client.hset(keys.CONSENT, ada.conversation, "out")
    await ada.texts("this is still on its way to SQL")
    eraser = Eraser(store, database, taker, twilio.redact)

    assert await eraser.erase(ada.session, "an admin") == 2

    assert len(twilio.emptied) == 4
    left = await store.client.keys("*")
    assert not [key for key in left if ada.conversation in key]
    assert await store.client.llen(keys.DEAD_LETTERS) == 1
    assert await store.client.hget(keys.CONSENT, ada.conversation) == "out"
    assert keys.events(ben.conversation) in left
    kept = everything(database)
    assert "9999" not in kept.replace("+1***9999", "")
    assert "still on its way" not in kept
    assert "she is nice" not in kept
    assert "I am 8888" in kept
    assert "deleted a customer" in kept
    with database.reading() as connection:
        assert connection.execute(sql.select(tables.sessions.c.id)).scalars().all() == [ben.session]


async def test_no_word_of_a_deleted_customer_is_left_in_the_file(
    store: Store, sqlite: Database
) -> None:
    ada, _ = await two_customers(store, sqlite)
    await ada.texts("xylophonist zitherist")
    await raw(store, kind="text", conversation=ada.conversation, data='{"body": "xylophonist')
    await Customer(store, session="").record("refused", {"reason": "no", "body": "zitherist"})
    eraser = Eraser(store, sqlite, taker_of(store, sqlite), Twilio().redact)
    await eraser.erase(ada.session, "an admin")
    file = Path(sqlite.engine.url.database or "")
    kept = b"".join(part.read_bytes() for part in file.parent.glob(f"{file.name}*"))
    assert b"I am 8888" in kept
    assert b"xylophon" not in kept
    assert b"zither" not in kept


async def test_what_the_taker_has_in_hand_does_not_come_after_the_deletion(
    store: Store, database: Database
) -> None:
    ada, _ = await two_customers(store, database)
    taker = taker_of(store, database)
    await ada.texts("this is in the taker's hand")
    in_hand, go_on, take = threading.Event(), threading.Event(), taker.take

    def slow(entries: Sequence[Entry]) -> None:
        if not in_hand.is_set():
            in_hand.set()
            assert go_on.wait(30)
        take(entries)

    taker.take = slow  # type: ignore[method-assign]
    taking = asyncio.create_task(taker.once())
    assert await asyncio.to_thread(in_hand.wait, 30)
    erasing = asyncio.create_task(
        Eraser(store, database, taker, Twilio().redact).erase(ada.session, "an admin")
    )
    await asyncio.wait({erasing}, timeout=0.5)  # as far as it gets
    go_on.set()
    await asyncio.gather(taking, erasing)
    assert "in the taker's hand" not in everything(database)


async def test_an_opt_out_outlives_everything_else_that_is_deleted(
    store: Store, database: Database
) -> None:
    ada, _ = await two_customers(store, database)
    out = {"business": BUSINESS, "customer": ada.number, "state": "out", "how": "keyword"}
    await ada.record("consent", {**out, "sid": ""})
    eraser = Eraser(store, database, taker_of(store, database), Twilio().redact)
    await eraser.erase(ada.session, "an admin")
    url = database.engine.url.render_as_string(hide_password=False)
    assert [(word.customer, word.word) for word in ConsentHistory(url).last_words()] == [
        (ada.number, out_state("keyword"))
    ]


async def test_what_twilio_does_not_delete_keeps_the_rest_so_that_it_can_be_tried_again(
    store: Store, sqlite: Database
) -> None:
    ada, _ = await two_customers(store, sqlite)
    twilio = Twilio(is_away=True)
    eraser = Eraser(store, sqlite, taker_of(store, sqlite), twilio.redact)
    with pytest.raises(NotAtTwilio, match="Twilio still has 4 of 4 messages"):
        await eraser.erase(ada.session, "an admin")
    assert "I am 9999" in everything(sqlite)
    twilio.is_away = False
    assert await eraser.erase(ada.session, "an admin") == 2
    assert "I am 9999" not in everything(sqlite)


async def test_a_live_session_that_is_forgotten_is_on_record_as_ended(store: Store) -> None:
    conversation = "a" * 32
    await store.client.hset(keys.session(conversation), mapping={"id": "s1"})
    await store.client.hset(keys.SESSION_IDS, conversation, "s1")
    await forget(store, conversation)
    ((_, entry),) = await store.client.xrange(keys.LOG)
    assert (entry["kind"], json.loads(entry["data"])["reason"]) == ("session.ended", "deleted")
    assert not await store.client.exists(keys.session(conversation))


@pytest.fixture
def twilio_address() -> Iterator[str]:
    with open_twilio(pretend_config("http://127.0.0.1:1")) as address:
        yield address


async def test_a_body_is_emptied_at_twilio_and_one_that_is_gone_is_as_good(
    twilio_address: str,
) -> None:
    settings = Settings.load(
        {
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_NUMBERS": BUSINESS,
            "TWILIO_API_BASE_URL": twilio_address,
        }
    )
    base = f"{twilio_address}/2010-04-01/Accounts/{ACCOUNT}/Messages"
    async with httpx.AsyncClient(auth=(ACCOUNT, TOKEN), trust_env=False) as client:
        form = {"To": "+15550109999", "From": BUSINESS, "Body": "a secret"}
        message = (await client.post(f"{base}.json", data=form)).json()
        api = TwilioApi(settings.twilio)
        await api.redact(message["sid"])
        assert (await client.get(f"{base}/{message['sid']}.json")).json()["body"] == ""
        await api.redact("SM" + "0" * 32)
        await api.close()


async def test_an_export_has_everything_in_full_and_is_on_record(
    store: Store, each_office: Office
) -> None:
    ada, _ = await two_customers(store, each_office.database)
    admin = each_office.program(Role.ADMINISTRATOR)
    path = f"{PREFIX}/sessions/{ada.session}/customer/export"
    told: Any = (await asyncio.to_thread(admin.post, path)).json()
    assert told["customer"] == ada.number
    assert [len(session["flow"]) for session in told["sessions"]] == [3, 3]
    assert "exported a customer" in everything(each_office.database)


async def test_sessions_go_when_their_time_is_over(store: Store, database: Database) -> None:
    ada, ben = await two_customers(store, database)
    with database.writing() as connection:
        table = tables.sessions
        old = table.update().where(table.c.id == ada.session)
        connection.execute(old.values(last_ms=table.c.last_ms - 31 * DAY_MS))
    retention = Retention(database)
    assert retention.once() == 0, "nothing goes unless somebody said so"
    with database.writing() as connection:
        privacy.set_retention(connection, 30, "an admin")
    assert retention.once() == 1
    assert retention.once() == 0
    with database.reading() as connection:
        left = set(connection.execute(sql.select(tables.sessions.c.id)).scalars())
    assert left == {"an-earlier-one", ben.session}


async def test_what_was_said_outside_sessions_goes_when_its_time_is_over_opt_outs_do_not(
    store: Store, database: Database
) -> None:
    """Whoever opted out and goes on texting has no session, but has said something."""
    long_ago = Customer(store, session="")
    old_ms = int(time.time() * 1000) - 31 * DAY_MS
    word = {"business": BUSINESS, "customer": BEN, "state": "out", "how": "keyword", "sid": ""}
    said = json.dumps({"text": "xylophonist"})
    records = (("refused", said), ("consent", json.dumps(word)), ("x", "{"))
    for n, (kind, data) in enumerate(records):
        entry = {"kind": kind, "conversation": long_ago.conversation, "session": "", "data": data}
        await store.client.xadd(keys.LOG, entry, id=f"{old_ms}-{n}")
    await long_ago.record("refused", {"text": "zitherist"})
    await taker_of(store, database).once()
    with database.writing() as connection:
        privacy.set_retention(connection, 30, "an admin")
    Retention(database).once()
    kept = everything(database)
    assert "xylophonist" not in kept
    assert "zitherist" in kept
    with database.reading() as connection:
        assert not connection.execute(sql.select(tables.set_aside.c.id)).all()
    url = database.engine.url.render_as_string(hide_password=False)
    assert [each.customer for each in ConsentHistory(url).last_words()] == [BEN]
