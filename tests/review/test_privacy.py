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
from connectors.ids import conversation_id
from connectors.settings import Settings
from connectors.store import Store
from connectors.twilio_api import TwilioApi
from review import customer_data, erasing, redaction, retention, tables, webhooks
from review.access import Role
from review.announcements import EVENTS
from review.database import Database
from review.erasing import Eraser
from review.errors import NotAtTwilio
from review.judging import Judge
from review.operations import PREFIX
from review.outside import Outside
from review.prices import Prices
from review.projection import Projection
from review.redaction import Redactor
from review.retention import DAY_MS, Retention
from review.saving_tests import CASES, STORIES
from review.taker import Entry, Taker
from tests.pretend_business import ACCOUNT, BUSINESS, TOKEN, open_twilio, pretend_config
from tests.review.office import Office
from tests.review.origin import origin
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


def eraser_of(store: Store, database: Database, twilio: Twilio, **more: Any) -> Eraser:
    redactor = Redactor(database, twilio.redact)
    return Eraser(store, database, taker_of(store, database), redactor, **more)


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


def sessions_of(database: Database) -> list[str]:
    with database.reading() as connection:
        query = sql.select(tables.sessions.c.id).order_by(tables.sessions.c.n)
        return list(connection.execute(query).scalars())


def held(database: Database, customer: Customer) -> dict[str, int]:
    """How many rows there are of a customer, by table."""
    with database.reading() as connection:
        theirs = customer_data.customer_of(connection, customer.session)
        return {
            table.name: len(customer_data.rows(connection, table, theirs))
            for table in customer_data.HELD
        }


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
    twilio = Twilio()
    await store.client.hset(keys.CONSENT, ada.conversation, "out")
    await ada.texts("this is still on its way to SQL")
    eraser = eraser_of(store, database, twilio)

    assert (await eraser.erase(ada.session, "an admin")).sessions == 2

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
    eraser = eraser_of(store, sqlite, Twilio())
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
    taker, twilio = taker_of(store, database), Twilio()
    sid = await ada.texts("this is in the taker's hand")
    in_hand, go_on, take = threading.Event(), threading.Event(), taker.take

    def slow(entries: Sequence[Entry], origin: str) -> None:
        if not in_hand.is_set():
            in_hand.set()
            assert go_on.wait(30)
        take(entries, origin)

    taker.take = slow  # type: ignore[method-assign]
    taking = asyncio.create_task(taker.once())
    assert await asyncio.to_thread(in_hand.wait, 30)
    # Another process deletes, which does not know of this one.
    eraser = eraser_of(store, database, twilio)
    assert (await eraser.erase(ada.session, "an admin")).sessions == 2
    go_on.set()
    await taking
    assert "in the taker's hand" not in everything(database)
    assert ada.session not in json.dumps(sessions_of(database))
    assert await Redactor(database, twilio.redact).once() == 1
    assert sid in twilio.emptied


async def test_what_a_taker_takes_long_after_the_deletion_stays_away_what_is_new_does_not(
    store: Store, database: Database
) -> None:
    """As with a stream that was read again, or a process that stood still for hours."""
    ada, _ = await two_customers(store, database)
    await ada.texts("an old secret")
    await Customer(store, session="").record("refused", {"body": "an old secret, refused"})
    await raw(store, kind="text", conversation=ada.conversation, data="{an old secret")
    out = {"business": BUSINESS, "customer": ada.number, "state": "out", "how": "keyword"}
    await ada.record("consent", {**out, "sid": ""})
    old = await store.client.xrange(keys.LOG)
    await eraser_of(store, database, Twilio()).erase(ada.session, "an admin")
    with database.writing() as connection:  # as if they had never been taken
        connection.execute(tables.records.delete().where(tables.records.c.session == ""))

    again = Customer(store)
    await again.opens()
    await again.talks("Hello again", "Hi!")
    taker = taker_of(store, database)
    taker.take([*old, *await store.client.xrange(keys.LOG)], await origin(store))

    kept = everything(database)
    assert "old secret" not in kept
    assert "Hello again" in kept
    assert sessions_of(database)[-1] == again.session
    assert ada.session not in sessions_of(database)
    url = database.engine.url.render_as_string(hide_password=False)
    assert [word.customer for word in ConsentHistory(url).last_words()] == [ada.number]


async def test_a_message_that_twilio_took_meanwhile_is_emptied_once_it_is_known(
    store: Store, database: Database
) -> None:
    ada, _ = await two_customers(store, database)
    on_its_way = await ada.is_told("A secret", await ada.texts("Tell me"))
    twilio, sid = Twilio(), "SM" + "e" * 32
    await eraser_of(store, database, twilio).erase(ada.session, "an admin")
    report = {"part": on_its_way, "sid": sid, "status": "queued", "error_code": ""}
    await ada.record("part.status", report, session="")
    await taker_of(store, database).once()
    redactor = Redactor(database, twilio.redact)

    twilio.is_away = True
    assert await redactor.once() >= 1
    assert await redactor.once() == 0, "not before its time"
    with database.writing() as connection:
        assert redaction.waiting(connection) >= 1
        connection.execute(tables.redactions.update().values(due_ms=0))
    twilio.is_away = False
    await redactor.once()

    assert sid in twilio.emptied
    assert sid not in everything(database)
    with database.reading() as connection:
        assert redaction.waiting(connection) == 0


async def test_what_is_said_while_redis_has_forgotten_and_sql_has_not_is_a_new_beginning(
    store: Store, sqlite: Database
) -> None:
    ada, _ = await two_customers(store, sqlite)
    eraser = eraser_of(store, sqlite, Twilio())
    once, again = eraser.taker.once, Customer(store)

    async def meanwhile() -> int:
        await again.opens()
        await again.talks("Hello again", "Hi!")
        return await once()

    eraser.taker.once = meanwhile  # type: ignore[method-assign]
    assert (await eraser.erase(ada.session, "an admin")).sessions == 2
    kept = everything(sqlite)
    assert again.session in sessions_of(sqlite)
    assert "Hello again" in kept
    assert "I am 9999" not in kept


async def test_what_they_wrote_to_another_of_our_numbers_a_moment_ago_goes_too(
    store: Store, sqlite: Database
) -> None:
    ada, _ = await two_customers(store, sqlite)
    other = conversation_id(await store.id_key(), "+15550100002", ada.number)
    await store.client.rpush(keys.lane_items("inbox", other), "a text that SQL does not know of")
    eraser = eraser_of(store, sqlite, Twilio(), numbers=["+15550100002"])
    await eraser.erase(ada.session, "an admin")
    assert not [key for key in await store.client.keys("*") if other in key]


# One list for the export and the deletion


def test_every_table_holds_something_of_customers_or_it_is_said_why_not() -> None:
    held, kept = set(customer_data.HELD), set(customer_data.KEPT)
    assert held | kept == set(tables.metadata.tables.values())
    assert not held & kept
    assert set(customer_data.OF_SESSIONS) | set(customer_data.OF_CUSTOMERS) == held
    by_session = {table for table in tables.metadata.tables.values() if "n" in table.c}
    assert by_session <= set(customer_data.OF_SESSIONS)


async def test_what_a_deletion_takes_an_export_has_and_nothing_is_left_of_it(
    store: Store, database: Database
) -> None:
    webhooks.add(database, Outside(private=True), "http://127.0.0.1:9/", list(EVENTS), "test")
    ada, ben = await two_customers(store, database)
    await raw(store, kind="text", conversation=ada.conversation, data="{not JSON")
    await Customer(store, session="").record("refused", {"body": "outside any session"})
    await taker_of(store, database).once()
    before = held(database, ada)
    assert min(before.values()) > 0, before

    told = erasing.export(database, ada.session, Prices("USD", 0, 0, {}), "an admin")
    assert {name: len(rows) for name, rows in told["tables"].items()} == before
    assert "outside any session" in json.dumps(told["tables"])

    bens = held(database, ben)
    with database.reading() as connection:
        adas = customer_data.customer_of(connection, ada.session)
    await eraser_of(store, database, Twilio()).erase(ada.session, "an admin")
    with database.reading() as connection:
        left = {t.name: len(customer_data.rows(connection, t, adas)) for t in customer_data.HELD}
    assert set(left.values()) == {0}, left
    assert held(database, ben) == bens


# Tests that were saved from sessions


async def test_saved_tests_of_a_deleted_customer_go_with_them(
    store: Store, office: Office, tmp_path: Path
) -> None:
    ada, ben = await two_customers(store, office.database)
    reviewer = office.program(Role.REVIEWER)
    for customer in (ada, ben):
        await asyncio.to_thread(ideal_answer, office, customer)
        for kind in ("story", "evaluation"):
            path = f"{PREFIX}/sessions/{customer.session}/test"
            saved = await asyncio.to_thread(reviewer.post, path, json={"as": kind})
            assert saved.is_success, saved.text
    (tmp_path / CASES / "broken-from-sessions.yml").write_text(f"session {ada.session}: [")
    (tmp_path / CASES / "mine.yml").write_text("cases: []")

    eraser = eraser_of(store, office.database, Twilio(), project=tmp_path)
    erasure = await eraser.erase(ada.session, "an admin")

    assert erasure.files == [str(STORIES), str(CASES / "default-from-sessions.yml")]
    assert "mend it first" in erasure.left[str(CASES / "broken-from-sessions.yml")]
    words = "".join((tmp_path / file).read_text() for file in erasure.files)
    assert (ada.session in words, ben.session in words) == (False, True)
    assert ("I am 9999" in words, "I am 8888" in words) == (False, True)
    await eraser.erase(ben.session, "an admin")
    assert not (tmp_path / STORIES).exists(), "an empty file of stories is none"


def ideal_answer(office: Office, customer: Customer) -> None:
    with office.database.writing() as connection:
        query = sql.select(tables.sessions.c.n).where(tables.sessions.c.id == customer.session)
        n = connection.execute(query).scalar_one()
        message = n * tables.MESSAGES_OF_A_SESSION + 2
        Judge(connection, "somebody").note(customer.session, "ideal", "Nice to meet you.", message)


async def test_an_opt_out_outlives_everything_else_that_is_deleted(
    store: Store, database: Database
) -> None:
    ada, _ = await two_customers(store, database)
    out = {"business": BUSINESS, "customer": ada.number, "state": "out", "how": "keyword"}
    await ada.record("consent", {**out, "sid": ""})
    eraser = eraser_of(store, database, Twilio())
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
    eraser = eraser_of(store, sqlite, twilio)
    with pytest.raises(NotAtTwilio, match="Twilio still has 4 of 4 messages"):
        await eraser.erase(ada.session, "an admin")
    assert "I am 9999" in everything(sqlite)
    twilio.is_away = False
    assert (await eraser.erase(ada.session, "an admin")).sessions == 2
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
        picture = {"content_type": "image/png", "url": "https://example.com/me.png"}
        inbound = {"from": "+15550109999", "to": BUSINESS, "body": "", "media": [picture]}
        sid = (await client.post(f"{twilio_address}/phone/texts", json=inbound)).json()["sid"]
        assert (await client.get(f"{base}/{sid}.json")).json()["num_media"] == "1"
        await api.redact(sid)
        assert (await client.get(f"{base}/{sid}.json")).json()["num_media"] == "0"
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
    sweeper = Retention(database)
    assert sweeper.once() == 0, "nothing goes unless somebody said so"
    with database.writing() as connection:
        retention.set_retention(connection, 30, "an admin")
    assert sweeper.once() == 1
    assert sweeper.once() == 0
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
        retention.set_retention(connection, 30, "an admin")
    Retention(database).once()
    kept = everything(database)
    assert "xylophonist" not in kept
    assert "zitherist" in kept
    with database.reading() as connection:
        assert not connection.execute(sql.select(tables.set_aside.c.id)).all()
    url = database.engine.url.render_as_string(hide_password=False)
    assert [each.customer for each in ConsentHistory(url).last_words()] == [BEN]
