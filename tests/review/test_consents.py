"""Changes of consent come into SQL without the review app, and outlive Redis there."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import async_timeout
import pytest
import structlog

from connectors import keys
from connectors.consent_history import Change, ConsentHistory
from connectors.consent_writer import ConsentWriter
from connectors.errors import StoreUnavailable
from connectors.ids import conversation_id
from connectors.inbox import Inbox, Outcome
from connectors.ledger import Ledger
from connectors.store import Store
from connectors.wire import InboundText
from review.database import Database
from review.prices import Prices
from review.projection import Projection
from review.taker import Taker
from tests.review.conftest import fresh_url

OURS, ADA, BEN = "+15550100001", "+15550109999", "+15550108888"
sids = (f"SM{number:032x}" for number in itertools.count(0xC0))


class Business:
    """A door, its ledger and its writer, as one Rasa process has them; no review app."""

    def __init__(self, store: Store, url: str) -> None:
        self.store, self.history = store, ConsentHistory(url)
        self.ledger = Ledger(store, self.history.last_words, self.history.words_since)
        self.writer = ConsentWriter(store, self.history.add)
        self.door = Inbox(store, settle_ms=0, session_seconds=lambda number: 86_400)

    async def text(self, body: str, customer: str = ADA) -> Outcome:
        return await self.door.accept(InboundText(next(sids), customer, OURS, body))

    async def word(self, customer: str = ADA) -> str:
        return await self.ledger.word(conversation_id(await self.store.id_key(), OURS, customer))

    async def loses_redis(self) -> None:
        await self.store.client.flushall()
        self.store.forget_id_key()
        await self.ledger.make_whole()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: Any, tmp_path: Path) -> str:
    """Of a database in which nobody has made a table."""
    return fresh_url(request.param, tmp_path / "not there yet", request)


@pytest.fixture
async def business(store: Store, url: str) -> Business:
    business = Business(store, url)
    await business.ledger.make_whole()
    return business


async def test_an_opt_out_outlives_redis_though_the_review_app_never_ran(
    business: Business,
) -> None:
    await business.text("hello")
    await business.text("please stop texting me")
    await business.text("STOP", BEN)
    assert await business.writer.waiting() == 2
    assert await business.writer.once() == 2
    assert await business.writer.waiting() == 0
    await business.loses_redis()
    assert (await business.word(), await business.word(BEN)) == ("out", "out:twilio")
    assert await business.text("are you there?") is Outcome.REFUSED

    await business.text("START")
    await business.writer.once()
    await business.loses_redis()
    assert (await business.word(), await business.word(BEN)) == ("in", "out:twilio")


async def test_what_the_review_app_brings_later_is_the_same_change(
    business: Business, url: str
) -> None:
    """It was down for a day; meanwhile Ada went out, and Ben came in again."""
    for body, customer in (("STOP!", BEN), ("STOP!", ADA), ("START", BEN)):
        await business.text(body, customer)
    await business.writer.once()
    before = business.history.last_words()
    database = Database.at(url)
    database.migrate()
    taker = Taker(business.store, database, Projection(Prices("USD", 0.01, 0.01, {})))
    assert await taker.once() > 3
    assert business.history.last_words() == before
    await business.text("STOP!", BEN)  # only the review app gets to it now
    await taker.once()
    await business.loses_redis()
    assert (await business.word(), await business.word(BEN)) == ("out", "out")
    database.close()


async def test_several_processes_write_each_change_once(business: Business, url: str) -> None:
    await business.text("STOP", ADA)
    await business.text("STOP", BEN)
    await business.writer.once()  # the table is there
    await business.text("START", BEN)
    await business.text("UNSTOP", ADA)
    others = [ConsentWriter(business.store, ConsentHistory(url).add) for _ in range(4)]
    await asyncio.gather(*(other.once() for other in others))
    assert await business.writer.waiting() == 0
    assert {consent.word for consent in business.history.last_words()} == {"in"}
    assert len(business.history.last_words()) == 2


async def test_a_redis_that_lost_only_its_last_moments_learns_them_again(
    business: Business,
) -> None:
    """A failover to a replica that had not heard of the STOP."""
    await business.text("STOP!", BEN)
    await business.text("START", BEN)
    await business.text("STOP!", BEN)
    await business.writer.once()
    ben = conversation_id(await business.store.id_key(), OURS, BEN)
    at = int(await business.store.field(keys.CONSENT, f"{ben}:at") or 0)
    await business.store.client.hset(keys.CONSENT, ben, "in")
    await business.store.client.hset(keys.CONSENT, f"{ben}:at", str(at - 1000))
    assert await business.ledger.is_whole()
    assert await business.ledger.compare() == 1
    assert await business.word(BEN) == "out"
    assert await business.ledger.compare() == 0


async def test_in_doubt_somebody_stays_out(business: Business) -> None:
    """Another Redis, whose clock is behind: its STOP looks older than the START before it."""
    await business.text("START")
    await business.text("STOP!")
    await business.text("START")
    await business.writer.once()
    ada = conversation_id(await business.store.id_key(), OURS, ADA)
    await business.store.client.hset(keys.CONSENT, ada, "out")
    await business.store.client.hset(keys.CONSENT, f"{ada}:at", "1")
    assert await business.ledger.compare() == 0
    assert await business.word() == "out"


async def test_what_redis_knows_since_counts_more(business: Business) -> None:
    await business.text("STOP!")
    await business.writer.once()
    await business.text("START")
    assert await business.ledger.compare() == 0
    assert await business.word() == "in"


class Away:
    """A database that is away until it is not, and remembers what it was given."""

    def __init__(self) -> None:
        self.is_away, self.asked = True, 0
        self.kept: list[Change] = []

    def add(self, changes: Sequence[Change]) -> None:
        self.asked += 1
        if self.is_away:
            raise StoreUnavailable("SESSION_LOG_URL: OperationalError")
        self.kept += changes


async def test_a_database_that_is_away_is_waited_for_and_named_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.consent_writer.AGAIN_SECONDS", 0.01)
    database = Away()
    writer = ConsentWriter(store, database.add)
    await Inbox(store, settle_ms=0, session_seconds=lambda number: 60).accept(
        InboundText(next(sids), ADA, OURS, "STOP!")
    )
    with structlog.testing.capture_logs() as said:
        running = asyncio.create_task(writer.run())
        async with async_timeout.timeout(20):
            while database.asked < 3:
                await asyncio.sleep(0.01)
        assert await writer.waiting() == 1
        database.is_away = False
        async with async_timeout.timeout(20):
            while await writer.waiting() or len(said) < 2:
                await asyncio.sleep(0.01)
        running.cancel()
    assert [(c.customer, c.state, c.how) for c in database.kept] == [(ADA, "out", "keyword")]
    assert [line["event"] for line in said] == ["consent.not_in_sql", "consent.in_sql_again"]


def test_a_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    history = ConsentHistory(f"sqlite:///{tmp_path}/file/log.db")
    with pytest.raises(StoreUnavailable, match="SESSION_LOG_URL"):
        history.add([Change(1, OURS, ADA, "out", "keyword")])


def test_a_database_that_has_nonsense_lets_nobody_be_texted(tmp_path: Path) -> None:
    """Better than to pass over somebody who opted out."""
    url = f"sqlite:///{tmp_path}/log.db"
    database = Database.at(url)
    database.migrate()
    with database.writing() as connection:
        connection.exec_driver_sql(
            "INSERT INTO records (id, kind, data) VALUES (1, 'consent', '{\"state\": \"out\"}')"
        )
    with pytest.raises(StoreUnavailable, match="a change of consent without 'business'"):
        ConsentHistory(url).last_words()
    database.close()
