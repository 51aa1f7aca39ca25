"""Texts whose webhook failed for good are found at Twilio, and answered like any other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from structlog.testing import capture_logs

from connectors import keys
from connectors.ids import conversation_id
from connectors.inbox import Inbox
from connectors.reconcile import Reconciler
from connectors.session_log import REFUSED
from connectors.settings import Twilio
from connectors.store import Store
from connectors.twilio_api import TwilioApi
from connectors.wire import InboundText
from tests.log import log_of
from tests.pretend_business import ACCOUNT, BUSINESS, CUSTOMER, TOKEN, open_twilio, pretend_config

pytestmark = pytest.mark.integration

NOBODY = "http://127.0.0.1:9"


@dataclass
class Office:
    """A business that is down: Twilio gets its texts, and nobody takes them."""

    url: str
    inbox: Inbox
    reconciler: Reconciler

    async def misses(self, body: str) -> str:
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.post(
                f"{self.url}/phone/texts", json={"from": CUSTOMER, "to": BUSINESS, "body": body}
            )
        assert not answer.json()["answer"]["taken"]
        return str(answer.json()["sid"])

    async def was_here(self, seconds_ago: float) -> None:
        for name in (keys.RECONCILED_FIRST, keys.RECONCILED_LAST):
            await self.inbox.store.put(name, str(time.time() - seconds_ago))

    async def waiting(self) -> list[str]:
        conversation = conversation_id(await self.inbox.store.id_key(), BUSINESS, CUSTOMER)
        return await self.inbox.store.client.lrange(self.inbox.lane.items(conversation), 0, -1)


@pytest.fixture
async def office(store: Store) -> AsyncIterator[Office]:
    with open_twilio(pretend_config(NOBODY)) as url:
        api = TwilioApi(Twilio(ACCOUNT, (TOKEN,), None, url, (BUSINESS,), NOBODY, pretend=False))
        inbox = Inbox(store, settle_ms=0, session_seconds=lambda number: 86_400)
        yield Office(url, inbox, Reconciler(inbox, api, lambda: [BUSINESS]))
        await api.close()


async def test_a_text_that_came_while_we_were_down_is_accepted_once(office: Office) -> None:
    await office.was_here(60)
    sids = [await office.misses("are you there?"), await office.misses("hello?")]
    assert await office.reconciler.look() == 2
    assert await office.reconciler.look() == 0
    waiting = await office.waiting()
    assert [sid in item for sid, item in zip(sids, waiting, strict=True)] == [True, True]


async def test_a_text_that_we_have_is_not_taken_again(office: Office) -> None:
    await office.was_here(60)
    sid = await office.misses("hello")
    await office.inbox.accept(InboundText(sid, CUSTOMER, BUSINESS, "hello"))
    assert await office.reconciler.look() == 0
    assert len(await office.waiting()) == 1


async def test_the_first_look_ever_answers_nobody(office: Office) -> None:
    await office.misses("long before you installed this")
    await asyncio.sleep(1.1)  # Twilio's dates have whole seconds
    assert await office.reconciler.look() == 0
    assert await office.reconciler.look() == 0
    assert await office.waiting() == []


async def test_an_old_text_is_logged_and_not_answered(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.reconcile.ANSWER_SECONDS", -1.0)
    await office.was_here(60)
    sid = await office.misses("hello")
    with capture_logs() as logs:
        assert await office.reconciler.look() == 0
        assert await office.reconciler.look() == 0
    told = [(line["event"], line["sid"]) for line in logs]
    assert told == [("sms.not_answered", sid), ("sms.missed", sid)]
    [refused] = [r["data"] for r in await log_of(office.inbox.store) if r["kind"] == REFUSED]
    assert (refused["reason"], refused["text"]["body"]) == ("too_old", "hello")
    assert CUSTOMER not in str(logs)
    assert await office.waiting() == []
