"""A replica that lagged has become the primary: what was said is asked of Twilio first.

The loss is made by hand: what the old primary did last is undone in Redis, and not at Twilio.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import async_timeout
import httpx
import pytest

from connectors import keys
from connectors.assistant import Texts
from connectors.assistants import LiveAssistants
from connectors.dead_letters import DeadLetters
from connectors.errors import StoreUnavailable
from connectors.failover import MAY_BE_UNANSWERED, FailoverGuard, ServerChanges
from connectors.lanes import Claim
from connectors.part import Part
from connectors.reconcile import Reconciler
from connectors.session_store import SessionStore
from connectors.settings import Twilio
from connectors.store import Store
from connectors.turn import Turn
from connectors.twilio_api import SentMessage, TwilioApi
from connectors.wire import InboundText
from connectors.worker import Worker
from local.ports import free_port
from tests.integration.office import BUSINESS, Office
from tests.log import log_of
from tests.pretend_business import ACCOUNT, CUSTOMER, TOKEN, open_twilio, pretend_config
from tests.valkey import Valkey

pytestmark = pytest.mark.integration

NOBODY = "http://127.0.0.1:9"


@dataclass
class Survivor:
    """An office whose Redis has just become the primary, and what Twilio knows."""

    office: Office
    sessions: SessionStore
    twilio: TwilioApi
    url: str
    settled_seconds: float = 0.0
    reconciled_for: int = 1 << 62
    answered: list[Sequence[str]] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return self.office.store

    def failed_over(self) -> None:
        """Now, by the store's knowledge."""
        now_ms = int(time.time() * 1000)
        self.store.note_change(now_ms, now_ms)

    def start(self) -> None:
        office, lane = self.office, self.office.inbox.lane
        turn = office.worker.handle

        async def recover(claim: Claim, said: Sequence[SentMessage], why_unsure: str) -> None:
            await self.sessions.recover(Turn.of(claim, LiveAssistants().now), said, why_unsure)

        async def release(claim: Claim, delay: float) -> None:
            await lane.release(claim, min(delay, 0.1), counts=False)

        guard = FailoverGuard(
            ServerChanges(self.store, self.settled_seconds),
            self.sessions.outbox,
            self.twilio,
            turn,
            recover,
            lambda: self.reconciled_for,
            release,
            settle_ms=0,
        )
        office.worker = Worker(lane, guard.handle, 4)
        office.worker.start()

    async def comes(self, number: int, body: str) -> None:
        sid = f"SM{number:032x}"
        await self.office.inbox.accept(InboundText(sid, CUSTOMER, BUSINESS, body))

    async def was_said(self, body: str) -> str:
        """The old primary's sender has sent it; the new one knows nothing of it."""
        part = Part.new("c" * 32, "s", BUSINESS, CUSTOMER, body)
        now_ms = int(time.time() * 1000)
        return (await self.twilio.send(Part(**{**vars(part), "asked_ms": now_ms}))).sid

    async def logged(self, kind: str) -> list[dict[str, Any]]:
        return [r["data"] for r in await log_of(self.store) if r["kind"] == kind]

    async def settled(self) -> None:
        while await self.store.client.zcard(self.office.inbox.lane.due):
            await asyncio.sleep(0.01)

    async def sent_or_waiting(self) -> list[str]:
        """What Twilio has, and what is to follow."""
        conversation = await self.office.conversation(CUSTOMER)
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.get(f"{self.url}/phone/messages", params={"customer": CUSTOMER})
        outbound = [m["body"] for m in answer.json()["messages"] if m["direction"] == "outbound"]
        return outbound + [part.body for part in await self.sessions.outbox.of(conversation)]


@pytest.fixture
async def survivor(office: Office, sessions: SessionStore) -> AsyncIterator[Survivor]:
    with open_twilio(pretend_config(NOBODY)) as url:
        twilio = TwilioApi(Twilio(ACCOUNT, (TOKEN,), None, url, (BUSINESS,), NOBODY, pretend=False))
        survivor = Survivor(office, sessions, twilio, url)
        await office.store.ping()
        yield survivor
        await survivor.office.worker.stop()
        await twilio.close()


async def test_a_text_that_was_answered_is_not_answered_again(survivor: Survivor) -> None:
    await survivor.comes(1, "when do you open?")
    await asyncio.sleep(1.0)  # Twilio's dates have whole seconds
    sid = await survivor.was_said("At nine.")
    survivor.failed_over()
    survivor.start()
    await survivor.settled()
    assert await survivor.sent_or_waiting() == ["At nine."]
    assert survivor.office.assistant.heard == []
    # It is on record as what it was, and the conversation goes on from there.
    [turn] = await survivor.logged("turn")
    assert (turn["texts"], [p["body"] for p in turn["parts"]]) == ([f"SM{1:032x}"], ["At nine."])
    async with async_timeout.timeout(10):
        while not (sent := await survivor.logged("part.sent")):
            await asyncio.sleep(0.01)  # it is noted behind the commit
    assert len(sent) == 1
    assert (sent[0]["sid"], sent[0]["part"]) == (sid, turn["parts"][0]["id"])
    await survivor.comes(2, "and when do you close?")
    await survivor.settled()
    assert survivor.office.assistant.heard == ["and when do you close?"]
    assert await survivor.sent_or_waiting() == ["At nine.", "You said: and when do you close?"]


async def test_a_text_that_nobody_answered_is_answered(survivor: Survivor) -> None:
    await survivor.was_said("Good evening.")
    await asyncio.sleep(2.0)  # Twilio's dates have whole seconds
    await survivor.comes(1, "when do you open?")
    survivor.failed_over()
    survivor.start()
    await survivor.settled()
    assert survivor.office.assistant.heard == ["when do you open?"]


async def test_what_redis_knows_of_is_no_answer_that_it_forgot(survivor: Survivor) -> None:
    await survivor.comes(1, "when do you open?")
    await asyncio.sleep(1.0)
    sid = await survivor.was_said("You are welcome.")
    await survivor.store.put_field(keys.message(sid), "part", "c.1", 60)
    survivor.failed_over()
    survivor.start()
    await survivor.settled()
    assert survivor.office.assistant.heard == ["when do you open?"]


async def test_a_part_that_still_waits_is_no_answer_that_redis_forgot(survivor: Survivor) -> None:
    """It was sent, and waits only for the sender to find that out."""
    await survivor.comes(1, "when do you open?")
    conversation = await survivor.office.conversation(CUSTOMER)
    part = Part.new(conversation, "s", BUSINESS, CUSTOMER, "You are welcome.")
    outbox = survivor.sessions.outbox.lane
    await survivor.store.client.rpush(outbox.items(conversation), part.write())
    await asyncio.sleep(1.0)
    await survivor.was_said("You are welcome.")
    survivor.failed_over()
    survivor.start()
    await survivor.settled()
    assert survivor.office.assistant.heard == ["when do you open?"]


async def test_nothing_is_answered_while_an_answer_may_still_be_under_way(
    survivor: Survivor,
) -> None:
    survivor.settled_seconds = 3.0
    await survivor.comes(1, "when do you open?")
    await asyncio.sleep(1.0)
    survivor.failed_over()
    survivor.start()
    await asyncio.sleep(0.5)  # the request of the one who is gone reaches Twilio only now
    await survivor.was_said("At nine.")
    await survivor.settled()
    assert survivor.office.assistant.heard == []
    assert await survivor.sent_or_waiting() == ["At nine."]


async def test_a_text_that_came_while_another_was_answered_gets_the_plain_sentence(
    survivor: Survivor,
) -> None:
    await survivor.comes(1, "when do you open?")
    await asyncio.sleep(0.1)
    await survivor.comes(2, "hello?")
    await asyncio.sleep(1.0)
    await survivor.was_said("At nine.")
    survivor.failed_over()
    survivor.start()
    await survivor.settled()
    assert await survivor.sent_or_waiting() == ["At nine.", Texts().apology]
    [letter] = await DeadLetters(survivor.store).all()
    assert letter.reason == MAY_BE_UNANSWERED


async def test_turns_wait_for_the_reconciler_which_finds_what_was_lost(
    survivor: Survivor,
) -> None:
    """It keeps its place before the text that came after the failover."""
    async with httpx.AsyncClient(trust_env=False) as http:
        text = {"from": CUSTOMER, "to": BUSINESS, "body": "first"}
        await http.post(f"{survivor.url}/phone/texts", json=text)
    await asyncio.sleep(1.1)
    for name in (keys.RECONCILED_FIRST, keys.RECONCILED_LAST):
        await survivor.store.put(name, str(time.time() - 60))
    survivor.failed_over()
    survivor.reconciled_for = 0
    survivor.start()
    await survivor.comes(2, "second")
    await asyncio.sleep(0.5)
    assert survivor.office.assistant.heard == []
    await survivor.office.worker.stop()  # or it may look just at the same moment
    reconciler = Reconciler(survivor.office.inbox, survivor.twilio, lambda: [BUSINESS])
    await reconciler.look()
    survivor.reconciled_for = 1 << 62
    survivor.office.worker.start()
    await survivor.settled()
    assert survivor.office.assistant.heard == ["first\nsecond"]


async def test_what_is_older_than_the_change_by_a_day_is_not_asked_about(store: Store) -> None:
    changes, now_ms = ServerChanges(store), int(time.time() * 1000)
    assert not changes.is_unsure(1), "the server has never changed"
    store.server_changed_ms = now_ms - 1_000
    hour_ms = 3_600_000
    asked = {age: changes.is_unsure(now_ms - age * hour_ms) for age in (1, 23, 25, 100)}
    assert asked == {1: True, 23: True, 25: False, 100: False}
    store.server_changed_ms = now_ms - 25 * hour_ms
    assert not changes.is_unsure(now_ms - 26 * hour_ms)


async def test_without_a_failover_twilio_is_not_asked(survivor: Survivor) -> None:
    await survivor.twilio.close()  # it could not be
    survivor.start()
    await survivor.comes(1, "hello")
    await survivor.settled()
    assert survivor.office.assistant.heard == ["hello"]


async def test_a_restart_and_a_failover_are_told_apart(
    valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = Store.connect(valkey.url)
    await store.ping()
    assert (store.server_changed_ms, store.failover_ms) == (0, 0)
    valkey.stop()
    valkey.start()
    async with async_timeout.timeout(10):
        while not store.server_changed_ms:
            with suppress(StoreUnavailable):  # the connection of before
                await store.ping()
    assert store.failover_ms == 0
    replica = Valkey(free_port(), tmp_path_factory.mktemp("replica"))
    replica.start()
    promoted = Store.connect(replica.url)
    await promoted.client.execute_command("REPLICAOF", "127.0.0.1", str(valkey.port))
    while (await promoted.client.info("replication"))["master_link_status"] != "up":
        await asyncio.sleep(0.05)
    await promoted.client.execute_command("REPLICAOF", "NO", "ONE")
    await promoted.close()
    later = Store.connect(replica.url)
    await later.ping()
    assert later.failover_ms == later.server_changed_ms > store.server_changed_ms
    for each in (store, later):
        await each.close()
    replica.stop()
