"""The operator's desk, on a session that a real text opened."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from connectors import keys
from connectors.ids import conversation_id
from connectors.inbox import Inbox
from connectors.ledger import Ledger
from connectors.store import Store
from connectors.wire import InboundText
from review.access import Role
from tests.review.office import PASSWORD, Office
from tests.review.reading import Reader, reader_of, reader_signed_in
from tests.review.said import ADA, BUSINESS
from tests.review.waiting import until_said

pytestmark = pytest.mark.integration


@dataclass
class Live:
    """A session in which a customer waits."""

    store: Store
    conversation: str
    session: str

    @property
    def path(self) -> str:
        return f"/sessions/{self.session}"

    async def outbox(self) -> list[str]:
        name = keys.lane_items("outbox", self.conversation)
        return [json.loads(part)["body"] for part in await self.store.client.lrange(name, 0, -1)]


@pytest.fixture
async def live(office: Office, store: Store) -> Live:
    await Ledger(store, list).make_whole()
    inbox = Inbox(store, settle_ms=0, session_seconds=lambda number: 86_400)
    await inbox.accept(InboundText("SM" + "1" * 32, ADA, BUSINESS, "Can somebody help me?"))
    await until_said(office.database, 1)
    conversation = conversation_id(await store.id_key(), BUSINESS, ADA)
    session = await store.field(keys.session(conversation), "id")
    return Live(store, conversation, session or "")


@pytest.fixture
async def operator(office: Office) -> AsyncIterator[Reader]:
    reader = reader_of(office, Role.OPERATOR)
    yield reader
    await reader.client.aclose()


async def test_an_operator_takes_over_answers_and_gives_back(
    office: Office, live: Live, operator: Reader
) -> None:
    assert "Take over" in await operator.page(live.path)
    answer = await operator.post(f"{live.path}/take")
    assert answer.headers["location"] == f"{live.path}#desk"
    assert "with a-operator" in await operator.page("/desk")
    page = await operator.page(live.path)
    assert "Your answer, as the business" in page
    await operator.post(f"{live.path}/answer", text="This is Ben. What is broken?")
    assert await live.outbox() == ["This is Ben. What is broken?"]
    await operator.post(f"{live.path}/give-back")
    assert "Nobody waits" in await operator.page("/desk")
    await until_said(office.database, 3)
    page = await operator.page(live.path)
    assert 'class="turn operator"' in page
    assert "A person took over" in page
    assert "Back with the assistant" in page


async def test_two_operators_cannot_hold_one_conversation(
    office: Office, live: Live, operator: Reader
) -> None:
    office.accounts.add("grace", PASSWORD, Role.OPERATOR, by="test")
    grace = reader_signed_in(office, "grace")
    await operator.post(f"{live.path}/take")
    refused = await grace.post(f"{live.path}/take")
    assert refused.status_code == 409
    assert "a-operator has this conversation." in refused.text
    refused = await grace.post(f"{live.path}/answer", text="Hello?")
    assert refused.status_code == 409
    assert await live.outbox() == []
    await grace.client.aclose()


async def test_what_may_not_be_sent_is_refused_with_the_reason_and_kept(
    live: Live, operator: Reader
) -> None:
    await operator.post(f"{live.path}/take")
    await Ledger(live.store, list).opt_out(BUSINESS, ADA, "twilio")
    refused = await operator.post(f"{live.path}/answer", text="Your bike is ready.")
    assert refused.status_code == 409
    assert "Not sent:" in refused.text
    assert "opted out" in refused.text
    assert "Your bike is ready." in refused.text
    assert await live.outbox() == []


async def test_nobody_answers_in_a_session_that_is_over(live: Live, operator: Reader) -> None:
    await operator.post(f"{live.path}/take")
    await live.store.client.delete(keys.session(live.conversation))
    refused = await operator.post(f"{live.path}/answer", text="Your bike is ready.")
    assert refused.status_code == 409
    assert "Your bike is ready." in refused.text
    assert await live.outbox() == []


async def test_reviewers_have_no_desk(office: Office, live: Live) -> None:
    reviewer = reader_of(office, Role.REVIEWER)
    assert "Take over" not in await reviewer.page(live.path)
    assert (await reviewer.post(f"{live.path}/take")).status_code == 403
    assert (await reviewer.get("/desk")).status_code == 403
    await reviewer.client.aclose()
