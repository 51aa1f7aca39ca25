"""How long a session lives, what renews it, and what happens at its end: on a real Valkey."""

from __future__ import annotations

import asyncio
from typing import Any

import async_timeout
import pytest
from rasa.shared.core.events import UserUttered

from connectors import keys
from connectors.assistant import Assistant as AssistantFile
from connectors.assistants import Assistants
from connectors.errors import LeaseLost
from connectors.forget import forget
from connectors.lanes import Claim
from connectors.outbox import Outbox
from connectors.part import Part
from connectors.session_life import SessionLife, session_keys
from connectors.session_store import SessionStore
from connectors.store import Store
from connectors.turn import Turn
from connectors.wire import StatusReport
from tests.integration.office import ADA, Office, office_of, text
from tests.log import log_of

pytestmark = pytest.mark.integration


@pytest.fixture
def life(store: Store) -> SessionLife:
    return SessionLife(store)


async def run_out(office: Office, customer: str = ADA) -> None:
    """The session's time is up now."""
    conversation = await office.conversation(customer)
    seconds, microseconds = await office.store.client.time()
    now = seconds * 1000 + microseconds // 1000
    for name in session_keys(conversation)[:3]:
        await office.store.client.pexpireat(name, now)
    await office.store.client.zadd(keys.SESSION_ENDS, {conversation: now})


async def session_id(office: Office) -> str | None:
    return await office.store.field(keys.session(await office.conversation()), "id")


async def kinds(store: Store) -> list[str]:
    return [record["kind"] for record in await log_of(store)]


async def records(store: Store, kind: str) -> list[dict[str, Any]]:
    return [record for record in await log_of(store) if record["kind"] == kind]


async def test_everything_of_a_session_ends_in_the_same_millisecond(office: Office) -> None:
    office.worker.start()
    await office.inbox.accept(text(1, "hello"))
    await office.answers(1)
    conversation = await office.conversation()
    names = [k for k in await office.store.client.keys("session:*") if conversation in k]
    assert {keys.session(conversation), keys.events(conversation)} <= set(names)
    client: Any = office.store.client  # its types know nothing of PEXPIRETIME
    ends = {await client.pexpiretime(name) for name in names}
    assert ends == {await office.store.client.zscore(keys.SESSION_ENDS, conversation)}


async def test_messages_renew_a_session_and_nothing_else_does(
    office: Office, sessions: SessionStore, life: SessionLife
) -> None:
    conversation = await office.conversation()

    async def left_after(shortened_to: int) -> int:
        await office.store.client.expire(keys.session(conversation), shortened_to)
        return shortened_to

    async def left() -> int:
        return int(await office.store.client.ttl(keys.session(conversation)))

    await office.inbox.accept(text(1, "hello"))
    await left_after(1000)
    office.worker.start()
    await office.answers(1)
    assert await left() > 86_000  # the assistant's message

    await left_after(1000)
    await sessions.retrieve(conversation)
    await sessions.retrieve_full_tracker(conversation)
    await sessions.exists(conversation)
    await life.sweep()
    report = StatusReport("SM" + "1" * 32, "delivered", "", f"{conversation}.X")
    await Outbox(office.store).report(report)
    claim = await Outbox(office.store).lane.claim()
    assert isinstance(claim, Claim)
    await Outbox(office.store).drop(claim, Part.read(claim.items[0]), "refused by Twilio", 21610)
    await office.inbox.accept(text(1, "hello"))  # the same webhook again
    assert await left() <= 1000

    await office.inbox.accept(text(2, "are you there?"))
    assert await left() > 86_000  # the customer's message


async def test_each_number_has_sessions_as_long_as_its_assistant_says(
    store: Store, sessions: SessionStore
) -> None:
    shop = AssistantFile(id="shop", name="Shop", prompt="You sell.", session_seconds=300)
    office = office_of(store, sessions)
    office.inbox.session_seconds = lambda number: shop.session_seconds or 0
    await office.inbox.accept(text(1, "hello"))
    name = keys.session(await office.conversation())
    assert 290 <= await store.client.ttl(name) <= 300
    claim = await office.inbox.lane.claim()
    assert isinstance(claim, Claim)
    turn = Turn.of(claim, Assistants.of([shop]))
    await store.client.expire(name, 100)
    await sessions.apologise(turn, "Sorry.", "a test")
    assert 290 <= await store.client.ttl(name) <= 300


async def test_a_conversation_over_rest_has_a_session_too(sessions: SessionStore) -> None:
    tracker = await sessions.get_or_create_tracker("somebody", append_action_listen=False)
    tracker.update(UserUttered("hello"))
    await sessions.save(tracker)
    kept = await sessions.retrieve("somebody")
    assert kept is not None
    assert [event.text for event in kept.events] == ["hello"]
    assert await kinds(sessions.store) == ["session.opened", "turn"]


async def test_the_next_text_after_the_end_begins_afresh(
    office: Office, sessions: SessionStore
) -> None:
    office.worker.start()
    await office.inbox.accept(text(1, "my name is Ada"))
    await office.answers(1)
    first = await session_id(office)
    await run_out(office)
    assert await sessions.retrieve(await office.conversation()) is None
    await office.inbox.accept(text(2, "what is my name?"))
    await office.answers(2)
    assert await session_id(office) not in (None, first)
    assert [event["text"] for event in await office.events("user")] == ["what is my name?"]


async def test_an_end_that_nobody_noticed_is_on_record_before_the_next_beginning(
    office: Office, life: SessionLife
) -> None:
    await office.inbox.accept(text(1, "hello"))
    await run_out(office)
    await office.inbox.accept(text(2, "hello again"))
    await life.sweep()
    assert await kinds(office.store) == [
        "session.opened",
        "text",
        "session.ended",
        "session.opened",
        "text",
    ]
    opened, _, ended, *_ = await log_of(office.store)
    assert ended["session"] == opened["session"]


async def test_the_end_is_noticed_once_by_any_number_of_processes(
    office: Office, life: SessionLife
) -> None:
    office.inbox.session_seconds = lambda number: 1
    await office.inbox.accept(text(1, "hello"))
    ends = await office.store.client.zscore(keys.SESSION_ENDS, await office.conversation())
    sweeping = [asyncio.create_task(SessionLife(office.store).run()) for _ in range(3)]
    async with async_timeout.timeout(15):
        while "session.ended" not in await kinds(office.store):
            await asyncio.sleep(0.05)
    await life.sweep()
    for task in sweeping:
        task.cancel()
    [ended] = await records(office.store, "session.ended")
    assert ended["data"] == {"reason": "inactivity", "at_ms": ends}
    assert await office.store.client.zcard(keys.SESSION_ENDS) == 0
    assert await office.store.client.hlen(keys.SESSION_IDS) == 0


async def test_a_session_that_got_more_time_is_not_ended(office: Office, life: SessionLife) -> None:
    await office.inbox.accept(text(1, "hello"))
    await run_out_the_index(office)
    assert 0 < await life.sweep() <= 10
    assert await session_id(office)
    assert "session.ended" not in await kinds(office.store)


async def run_out_the_index(office: Office) -> None:
    await office.store.client.zadd(keys.SESSION_ENDS, {await office.conversation(): 1})


class TestTextsThatWaitedTooLong:
    """We were down for longer than a session lasts."""

    async def test_are_not_answered_and_on_record(self, office: Office) -> None:
        await office.inbox.accept(text(1, "is anybody there?"))
        await run_out(office)
        office.worker.start()
        await self.nothing_waits(office)
        assert office.assistant.heard == ["is anybody there?"]  # Rasa, and no model after it
        assert await office.answers(0) == []
        [late] = await records(office.store, "text.too_late")
        assert late["data"] == {"sid": text(1, "").sid}
        assert "turn" not in await kinds(office.store)
        assert await session_id(office) is None

    async def test_do_not_reach_the_next_session(self, office: Office) -> None:
        await office.inbox.accept(text(1, "old"))
        await run_out(office)
        await office.inbox.accept(text(2, "new"))
        office.worker.start()
        assert await office.answers(1) == ["You said: new"]
        assert office.assistant.heard == ["new"]
        [late] = await records(office.store, "text.too_late")
        assert late["data"] == {"sid": text(1, "").sid}
        [turn] = await records(office.store, "turn")
        assert turn["data"]["texts"] == [text(2, "").sid]
        await self.nothing_waits(office)

    async def test_nor_does_an_answer_that_came_too_late(self, office: Office) -> None:
        async def the_session_ends(_: str) -> None:
            await run_out(office)

        office.assistant.before_saving = the_session_ends
        office.worker.start()
        await office.inbox.accept(text(1, "hello"))
        await self.nothing_waits(office)
        assert await office.answers(0) == []
        assert await session_id(office) is None
        assert len(await records(office.store, "text.too_late")) == 1

    async def nothing_waits(self, office: Office) -> None:
        async with async_timeout.timeout(10):
            while await office.store.client.zcard(office.inbox.lane.due):
                await asyncio.sleep(0.01)
        assert (
            await office.store.client.llen(office.inbox.lane.items(await office.conversation()))
            == 0
        )


async def test_who_is_deleted_while_a_turn_is_under_way_and_texts_again_is_answered(
    office: Office,
) -> None:
    """The turn of what was deleted neither answers nor takes the new text with it."""
    under_way, go_on = asyncio.Event(), asyncio.Event()

    async def wait(words: str) -> None:
        if words == "before":
            under_way.set()
            await go_on.wait()

    office.assistant.before_saving = wait
    office.worker.start()
    await office.inbox.accept(text(1, "before"))
    await under_way.wait()
    await forget(office.store, await office.conversation())
    await office.inbox.accept(text(2, "after"))
    go_on.set()
    assert await office.answers(1) == ["You said: after"]


async def test_who_is_deleted_while_a_process_dies_is_answered_by_the_next(office: Office) -> None:
    await office.inbox.accept(text(1, "before"))
    assert isinstance(await office.inbox.lane.claim(), Claim)  # and its process is killed
    await forget(office.store, await office.conversation())
    await office.inbox.accept(text(2, "after"))
    office.worker.start()
    assert await office.answers(1) == ["You said: after"]


async def test_what_is_sent_while_its_customer_is_deleted_takes_no_later_reply_along(
    office: Office,
) -> None:
    office.worker.start()
    outbox = Outbox(office.store)
    await office.inbox.accept(text(1, "before"))
    await office.answers(1)
    claim = await outbox.lane.claim()
    assert isinstance(claim, Claim)
    await forget(office.store, await office.conversation())
    await office.inbox.accept(text(2, "after"))
    await office.answers(1)
    with pytest.raises(LeaseLost):
        await outbox.sent(claim, Part.read(claim.items[0]), "SM" + "1" * 32, "queued")
    assert await office.answers(1) == ["You said: after"]
