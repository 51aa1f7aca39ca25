"""Operators take a conversation over, answer, and give it back."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from connectors import keys
from connectors.dead_letters import DeadLetter
from connectors.ids import conversation_id
from connectors.inbox import Inbox
from connectors.ledger import Ledger
from connectors.store import Store
from connectors.wire import InboundText
from review.access import Role
from review.operations import PREFIX
from tests.review.office import Office
from tests.review.said import ADA, BUSINESS

pytestmark = pytest.mark.integration


async def ask(program: httpx.Client, method: str, path: str, **body: Any) -> httpx.Response:
    def request() -> httpx.Response:
        return program.request(method, PREFIX + path, json=body or None)

    return await asyncio.to_thread(request)


async def a_live_session(store: Store, office: Office) -> str:
    """Ada texts; her session's id, once it is in SQL."""
    await Ledger(store, list).make_whole()
    inbox = Inbox(store, session_seconds=lambda number: 60, settle_ms=60_000)
    await inbox.accept(InboundText("SM" + "1" * 32, ADA, BUSINESS, "I want a person"))
    viewer = office.program(Role.VIEWER)
    while not (found := (await ask(viewer, "GET", "/sessions")).json()["sessions"]):
        await asyncio.sleep(0.1)
    return str(found[0]["id"])


async def test_an_operator_takes_over_answers_and_gives_back_and_nobody_else_meanwhile(
    store: Store, each_office: Office
) -> None:
    session = await a_live_session(store, each_office)
    marta, ben = each_office.program(Role.OPERATOR), each_office.somebody(Role.OPERATOR)
    at = f"/sessions/{session}"
    assert (await ask(marta, "POST", f"{at}/answer", text="Hi")).status_code == 409
    assert (await ask(marta, "POST", f"{at}/take")).status_code == 200
    refused = await ask(ben, "POST", f"{at}/take")
    assert (refused.status_code, "has this conversation" in refused.text) == (409, True)
    (held,) = (await ask(ben, "GET", "/desk")).json()["conversations"]
    assert (held["session"], held["state"]) == (session, "held")

    sent = await ask(marta, "POST", f"{at}/answer", text="Hi, Marta here.")
    assert sent.status_code == 200, sent.text
    conversation = conversation_id(await store.id_key(), BUSINESS, ADA)
    assert await store.client.llen(keys.lane_items("outbox", conversation)) == 1
    assert (await ask(marta, "POST", f"{at}/give-back")).status_code == 200
    assert (await ask(marta, "POST", f"{at}/answer", text="Still here")).status_code == 409

    admin = each_office.program(Role.ADMINISTRATOR)
    lines = (await ask(admin, "GET", "/audit")).json()["audit"]
    did = [line["what"] for line in lines if line["session"] == session]
    assert did == ["gave a conversation back", "answered a customer", "took a conversation over"]
    while (told := (await ask(admin, "GET", at)).json())["session"]["handover"]:
        await asyncio.sleep(0.1)
    while not (answers := [i for i in told["flow"] if i.get("author") == "operator"]):
        told = (await ask(admin, "GET", at)).json()
        await asyncio.sleep(0.1)
    assert answers[0]["body"] == "Hi, Marta here."


async def test_nobody_is_answered_whose_session_is_over_or_who_opted_out(
    store: Store, office: Office
) -> None:
    session = await a_live_session(store, office)
    marta, at = office.program(Role.OPERATOR), f"/sessions/{session}"
    await ask(marta, "POST", f"{at}/take")
    conversation = conversation_id(await store.id_key(), BUSINESS, ADA)
    await store.client.hset(keys.CONSENT, conversation, "out")
    refused = await ask(marta, "POST", f"{at}/answer", text="Please come back")
    assert (refused.status_code, "opted" in refused.text) == (409, True)
    await store.client.hdel(keys.CONSENT, conversation)
    await store.client.delete(keys.session(conversation))
    assert (await ask(marta, "POST", f"{at}/answer", text="Hello?")).status_code == 409
    assert await store.client.llen(keys.lane_items("outbox", conversation)) == 0


async def test_a_dead_letter_is_seen_and_tried_again_once(store: Store, office: Office) -> None:
    conversation = "a" * 32
    await store.client.hset(keys.session(conversation), "id", "s1")
    text = {"sid": "SM1", "customer": ADA, "business": BUSINESS, "body": "Hello", "media": 0}
    items = (f"1 s1 {json.dumps(text)}",)
    letter = DeadLetter.new(conversation, "the model is away", items)
    await store.client.rpush(keys.DEAD_LETTERS, letter.write())
    marta = office.program(Role.OPERATOR)
    (told,) = (await ask(marta, "GET", "/dead-letters")).json()["letters"]
    assert (told["reason"], told["texts"]) == ("the model is away", 1)
    path = f"/dead-letters/{told['id']}/retry"
    assert (await ask(marta, "POST", path)).status_code == 200
    assert (await ask(marta, "POST", path)).status_code == 404
    assert await store.client.llen(keys.lane_items("inbox", conversation)) == 1
