"""Parts in the outbox before the gate: on a real Valkey, with a pretend Twilio behind it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import async_timeout
import pytest
from starlette.applications import Starlette

from connectors import keys
from connectors import ledger as ledger_room
from connectors.consent_history import Consent, ConsentHistory
from connectors.errors import NotAllowed, StoreUnavailable
from connectors.gatekeeper import Gatekeeper
from connectors.ids import conversation_id
from connectors.inbox import Inbox, Outcome
from connectors.ledger import Ledger
from connectors.outbox import Outbox
from connectors.pace import Pace
from connectors.part import HELP, OPTED_OUT, REPLY, Part
from connectors.segments import count
from connectors.sender import Lateness, Sender
from connectors.settings import Limits, Twilio
from connectors.store import Store
from connectors.twilio_api import TwilioApi
from connectors.wire import InboundText, StatusReport
from connectors.worker import Worker
from local.ports import free_port
from local.pretend_twilio import create_app
from local.pretend_twilio.server import PhoneServer
from review.customer_data import delete_sessions
from review.database import Database
from review.prices import Prices
from review.projection import Projection
from review.taker import Taker
from tests.log import log_of
from tests.pretend_business import ACCOUNT, BUSINESS, TOKEN, pretend_config, serving

pytestmark = pytest.mark.integration

PretendTwilio = tuple[Starlette, str]

ADA, LISTED_AT_TWILIO = "+15550109999", "+15005550004"
SESSION = "01JD0000000000000000000000"


@pytest.fixture
def twilio() -> Iterator[PretendTwilio]:
    app = create_app(pretend_config("http://127.0.0.1:9"))
    with serving(PhoneServer(app, free_port())) as url:
        yield app, url


class Post:
    """An outbox whose sender asks the gate, and what Twilio got from it."""

    def __init__(self, store: Store, twilio: PretendTwilio, **gate: Any) -> None:
        app, url = twilio
        self.at_twilio = app.state.store
        self.store = store
        self.outbox = Outbox(store)
        self.history: list[Consent] = []
        self.database_is_up = True
        self.ledger = Ledger(store, self._read_history)
        self.gatekeeper = Gatekeeper(store, **gate)
        settings = Twilio(ACCOUNT, (TOKEN,), None, url, (BUSINESS,), "http://x", pretend=False)
        self.api = TwilioApi(settings, timeout=2)
        lateness = Lateness(600, lambda part: None)
        sender = Sender(
            self.outbox, self.api, self.gatekeeper, self.ledger, Pace(store, None), lateness
        )
        self.worker = Worker(self.outbox.lane, sender.handle, concurrency=4)
        self.asked = threading.Event()

    def _read_history(self) -> list[Consent]:
        self.asked.set()
        if not self.database_is_up:
            raise StoreUnavailable("no database")
        return self.history

    async def part(self, body: str, kind: str = REPLY, customer: str = ADA) -> Part:
        conversation = conversation_id(await self.store.id_key(), BUSINESS, customer)
        part = Part.new(conversation, SESSION, BUSINESS, customer, body)
        return Part(**{**part.__dict__, "kind": kind})

    async def opens(self, customer: str = ADA, session: str = SESSION) -> str:
        """The customer has a live session; the conversation's id."""
        conversation = conversation_id(await self.store.id_key(), BUSINESS, customer)
        name = keys.session(conversation)
        await self.store.client.hset(name, "id", session)
        await self.store.client.hset(name, "business", BUSINESS)
        await self.store.client.hset(name, "customer", customer)
        return conversation

    async def leave(self, *parts: Part) -> None:
        for part in parts:
            await self.store.client.rpush(self.outbox.lane.items(part.conversation), part.write())
            await self.store.client.zadd(self.outbox.lane.due, {part.conversation: 0})

    async def stop(self) -> None:
        await self.worker.stop()
        await self.api.close()

    async def all_settled(self) -> None:
        async with async_timeout.timeout(20):
            while await self.store.client.zcard(self.outbox.lane.due):
                await asyncio.sleep(0.01)

    async def reports(self) -> None:
        """What Twilio took is delivered, for which the next part waits ten seconds otherwise."""
        for message in self.at_twilio.of_customer(""):
            part_id = parse_qs(urlsplit(message.status_callback).query)["part"][0]
            await self.outbox.report(StatusReport(message.sid, "delivered", "", part_id))

    def got(self, customer: str = ADA) -> list[str]:
        """What Twilio took for a customer, the oldest first."""
        return [message.body for message in self.at_twilio.of_customer(customer)]

    async def log(self, kind: str) -> list[dict[str, Any]]:
        return [record["data"] for record in await log_of(self.store) if record["kind"] == kind]


@pytest.fixture
async def post(store: Store, twilio: PretendTwilio) -> AsyncIterator[Post]:
    post = Post(store, twilio)
    post.worker.start()
    yield post
    await post.stop()


async def test_what_the_gate_refuses_is_settled_and_on_record(post: Post) -> None:
    await post.ledger.make_whole()
    part = await post.part("too late")
    await post.leave(part)
    await post.all_settled()
    assert post.got() == []
    [refused] = await post.log("refused")
    assert refused["reason"] == "no_session"
    assert (refused["part"], refused["body"], refused["route"]) == (part.id, "too late", "sender")
    assert refused["do"]
    assert await post.gatekeeper.refused_today() == {"no_session": 1}


async def test_a_second_request_is_refused_like_the_first(post: Post) -> None:
    """It may not have reached Twilio, and meanwhile the customer has said STOP."""
    await post.ledger.make_whole()
    await post.opens()
    part = await post.part("hello")
    doubtful = Part(**{**part.__dict__, "asked_ms": part.created_ms - 60_000})
    await post.ledger.opt_out(BUSINESS, ADA, "keyword")
    await post.leave(doubtful)
    await post.all_settled()
    assert post.got() == []
    assert [record["reason"] for record in await post.log("refused")] == ["opted_out"]


async def test_who_opted_out_gets_the_confirmation_and_then_nothing(post: Post) -> None:
    await post.ledger.make_whole()
    await post.opens()
    await post.ledger.opt_out(BUSINESS, ADA, "keyword")
    await post.leave(await post.part("answer"), await post.part("You are out.", OPTED_OUT))
    await post.all_settled()
    assert post.got() == ["You are out."]


async def test_twilios_own_list_is_learned(post: Post) -> None:
    """21610: somebody said STOP before we were here."""
    await post.ledger.make_whole()
    conversation = await post.opens(LISTED_AT_TWILIO)
    await post.leave(await post.part("one", customer=LISTED_AT_TWILIO))
    await post.all_settled()
    assert await post.ledger.word(conversation) == "out:twilio"
    [consent] = await post.log("consent")
    assert consent == {
        "business": BUSINESS,
        "customer": LISTED_AT_TWILIO,
        "state": "out",
        "how": "21610",
        "sid": "",
    }
    await post.leave(await post.part("two", HELP, customer=LISTED_AT_TWILIO))
    await post.all_settled()
    assert [record["reason"] for record in await post.log("refused")] == ["opted_out"]


async def test_a_number_that_is_not_approved_sends_nothing(
    store: Store, twilio: PretendTwilio
) -> None:
    post = Post(store, twilio, unapproved=lambda number: f"register {number[-4:]}")
    post.worker.start()
    await post.ledger.make_whole()
    await post.opens()
    await post.leave(await post.part("hello"))
    await post.all_settled()
    assert post.got() == []
    [refused] = await post.log("refused")
    assert (refused["reason"], refused["do"]) == ("number_not_approved", "register 0001")
    await post.stop()


async def test_the_brake_stops_all_customers_but_no_confirmation(
    store: Store, twilio: PretendTwilio
) -> None:
    long = "word " * 50
    assert count(long).segments == 2
    post = Post(store, twilio, limits=Limits(0, 0, 3, 0, 0))
    post.worker.start()
    await post.ledger.make_whole()
    customers = [f"+1555011{number:04}" for number in range(3)]
    for body, customer in zip([long, "one", "two"], customers, strict=True):
        await post.opens(customer)
        await post.leave(await post.part(body, customer=customer))
        await post.all_settled()
    assert [post.got(customer) for customer in customers] == [[long], ["one"], []]
    assert [record["reason"] for record in await post.log("refused")] == ["segments_per_day"]
    await post.ledger.opt_out(BUSINESS, ADA, "keyword")
    await post.leave(await post.part("You are out.", OPTED_OUT))
    await post.all_settled()
    assert post.got() == ["You are out."]
    await post.stop()


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(0, 0, 0, 2, 0), "customer_segments_per_minute"),
        (Limits(0, 0, 0, 0, 2), "customer_segments_per_day"),
    ],
)
async def test_what_one_customer_is_sent_has_a_limit_in_segments(
    store: Store, twilio: PretendTwilio, limits: Limits, reason: str
) -> None:
    post, ben = Post(store, twilio, limits=limits), "+15550108888"
    post.worker.start()
    await post.ledger.make_whole()
    conversation = await post.opens()
    await post.opens(ben)
    long = "word " * 50
    assert count(long).segments == 2
    await post.leave(*[await post.part(body) for body in ("one", long, "three")])
    await post.leave(await post.part("to Ben", customer=ben))
    async with async_timeout.timeout(20):
        while post.got() != ["one", long] or not post.got(ben):
            await post.reports()
            await asyncio.sleep(0.01)
    await post.reports()
    with pytest.raises(NotAllowed) as refused:
        await _refused_at_last(post, conversation)
    assert (refused.value.reason, post.got()) == (reason, ["one", long])

    if reason.endswith("day"):
        await post.all_settled()
        told = {(record["reason"], record["route"]) for record in await post.log("refused")}
        assert told == {(reason, "operator"), (reason, "sender")}
        assert await post.gatekeeper.refused_today() == {reason: 2}
    else:  # it waits, and leaves when the minute is over
        name = keys.limits(conversation)
        await store.client.hincrby(name, "sent_minute_from", -60_000)
        await post.all_settled()
        assert post.got() == ["one", long, "three"]
    await post.reports()
    await post.leave(await post.part("Help.", HELP))
    await post.all_settled()
    assert post.got()[-1] == "Help."
    await post.stop()


async def _refused_at_last(post: Post, conversation: str) -> None:
    """Twilio has a message a moment before we have noted that."""
    async with async_timeout.timeout(20):
        while True:
            await post.gatekeeper.admit(conversation, "operator", "Olga")
            await asyncio.sleep(0.01)


async def test_nothing_is_sent_before_the_ledger_is_read_back(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis was lost, and the database cannot be asked: parts wait."""
    monkeypatch.setattr(ledger_room, "AGAIN_SECONDS", 0.2)
    post.database_is_up = False
    post.history = [Consent(BUSINESS, ADA, "out")]
    reading = asyncio.create_task(post.ledger.run())
    ben = "+15550108888"
    await post.opens()
    await post.opens(ben)
    await post.leave(await post.part("to Ada"), await post.part("to Ben", customer=ben))
    async with async_timeout.timeout(20):
        await asyncio.to_thread(post.asked.wait)
        while not await post.store.client.hlen(keys.lane_tries("outbox")):
            await asyncio.sleep(0.01)
    assert not await post.ledger.is_whole()
    assert post.got(ben) == []
    post.database_is_up = True
    await post.all_settled()
    assert post.got(ben) == ["to Ben"]
    assert post.got() == []
    assert [record["reason"] for record in await post.log("refused")] == ["opted_out"]
    reading.cancel()


async def test_what_the_ledger_learned_since_counts_more_than_the_database(post: Post) -> None:
    conversation = await post.opens()
    await post.store.client.hset(keys.CONSENT, conversation, "in")
    post.history = [Consent(BUSINESS, ADA, "out")]
    await post.ledger.make_whole()
    assert await post.ledger.word(conversation) == "in"


async def test_a_redis_that_is_lost_while_it_is_read_back_is_noticed(post: Post) -> None:
    post.history = [Consent(BUSINESS, f"+1555011{n:04}", "out") for n in range(1200)]
    await post.store.id_key()
    await post.store.client.flushall()  # the process still has the id key of before
    await post.ledger.make_whole()
    id_key = await post.store.get(keys.ID_KEY)
    assert id_key
    assert await post.ledger.is_whole()
    first, last = (conversation_id(id_key, BUSINESS, f"+1555011{n:04}") for n in (0, 1199))
    assert await post.ledger.word(first) == await post.ledger.word(last) == "out"
    await post.store.client.flushall()
    assert not await post.ledger.is_whole()


async def test_the_ledger_survives_the_loss_of_redis(
    post: Post, tmp_path: Path, valkey_url: str
) -> None:
    """STOP at the door, from the stream into SQL, FLUSHALL, and a new process reads it back."""
    url = f"sqlite:///{tmp_path}/log.db"
    database = Database.at(url)
    database.migrate()
    await post.ledger.make_whole()
    door = Inbox(post.store, settle_ms=0, session_seconds=lambda number: 86_400)
    await door.accept(InboundText(f"SM{1:032x}", ADA, BUSINESS, "please stop texting me"))
    await post.all_settled()
    assert len(post.got()) == 1  # the confirmation
    await Taker(post.store, database, Projection(Prices("USD", 0.01, 0.01, {}))).once()
    with database.writing() as connection:
        delete_sessions(connection, [1])  # kept for so many days, and no longer
    await post.store.client.flushall()

    post.store.forget_id_key()
    restarted = Store.connect(valkey_url)
    ledger = Ledger(restarted, ConsentHistory(url).last_words)
    assert await ledger.make_whole()
    assert not await ledger.make_whole()
    conversation = await post.opens()
    assert await ledger.word(conversation) == "out"
    door = Inbox(restarted, settle_ms=0, session_seconds=lambda number: 86_400)
    text = InboundText(f"SM{2:032x}", ADA, BUSINESS, "hello?")
    assert await door.accept(text) is Outcome.REFUSED
    await post.leave(await post.part("an answer that came to be all the same"))
    await post.all_settled()
    assert len(post.got()) == 1
    await restarted.close()
    database.close()


def test_the_last_word_about_everybody_counts(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/log.db"
    assert ConsentHistory(url).last_words() == []  # never made: nobody has ever opted out
    database = Database.at(url)
    database.migrate()
    assert ConsentHistory(url).last_words() == []
    said = [
        (ADA, "out", "keyword"),
        ("+15550108888", "out", "twilio"),
        (ADA, "in", "keyword"),
        ("+15550107777", "out", "wording"),
    ]
    for number, (customer, state, how) in enumerate(said):
        data = {"business": BUSINESS, "customer": customer, "state": state, "how": how, "sid": ""}
        with database.writing() as connection:
            connection.exec_driver_sql(
                "INSERT INTO records (id, kind, data) VALUES (?, 'consent', ?)",
                (number + 1, json.dumps(data)),
            )
    database.close()
    assert {word[:3] for word in ConsentHistory(url).last_words()} == {
        (BUSINESS, ADA, "in"),
        (BUSINESS, "+15550108888", "out:twilio"),
        (BUSINESS, "+15550107777", "out"),
    }


def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(StoreUnavailable) as raised:
        ConsentHistory("postgresql://ada:secret@127.0.0.1:9/log").last_words()
    assert "SESSION_LOG_URL" in str(raised.value)
    assert "secret" not in str(raised.value)
