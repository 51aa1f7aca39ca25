"""A person takes over: what customers get, what operators may do, and when it is over."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import async_timeout
import pytest
from rasa.core.channels.channel import UserMessage
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActionExecuted, BotUttered, ConversationPaused, UserUttered

from connectors import keys
from connectors.assistants import LiveAssistants
from connectors.errors import HeldByAnother, NotAllowed, NotHeld, SessionOver
from connectors.handover import HELD, WAITING, HandedOver, HandOver
from connectors.ids import conversation_id
from connectors.inbox import Inbox
from connectors.ledger import Ledger
from connectors.part import Part
from connectors.session_store import SessionStore
from connectors.store import Store
from connectors.transcript import Transcripts
from connectors.turn import TurnRunner
from connectors.window import obey
from connectors.wire import InboundText
from connectors.worker import Worker
from tests.log import log_of

pytestmark = pytest.mark.integration

BUSINESS, ADA = "+15550100001", "+15550109999"
A_PERSON_COMES, SORRY = "A person comes.", "Sorry."
NOBODY, BACK_AGAIN = "Nobody is free.", "I am back."


class RasaInOneLine:
    """Pauses when asked for a person, is quiet while paused, and repeats all else."""

    def __init__(self, sessions: SessionStore) -> None:
        self.sessions = sessions
        self.breaks = False
        self.before_saving: Callable[[], Awaitable[None]] | None = None

    async def handle(self, message: UserMessage) -> None:
        if self.breaks:
            raise RuntimeError("Rasa is broken")
        tracker = await self.sessions.get_or_create_tracker(message.sender_id)
        tracker.update(UserUttered(message.text, metadata=message.metadata))
        if not tracker.is_paused():
            wants = message.text == "human"
            said = A_PERSON_COMES if wants else f"You said: {message.text}"
            noted: dict[str, Any] = {}
            if wants:
                noted = {"hand_over": {"reason": "asked", "asked_by": "customer"}}
            if message.text == "que me dejen tranquila":
                noted = {"opt_out": True}
            await message.output_channel.send_text_message(message.sender_id, said)
            tracker.update(BotUttered(said, metadata=noted))
            tracker.update(ConversationPaused() if wants else ActionExecuted("action_listen"))
        if self.before_saving:
            await self.before_saving()
            self.before_saving = None
        await self.sessions.save(tracker)


@dataclass
class Shop:
    """A business with a desk; `texts` and what comes of it."""

    store: Store
    inbox: Inbox
    rasa: RasaInOneLine
    desk: HandOver
    count: int = 0

    async def texts(self, body: str) -> None:
        """The customer texts, and the turn is over."""
        self.count += 1
        turns = len(await self.records("turn"))
        await self.inbox.accept(InboundText(f"SM{self.count:032x}", ADA, BUSINESS, body))
        async with async_timeout.timeout(30):
            while len(await self.records("turn")) == turns:
                await asyncio.sleep(0.01)

    async def conversation(self) -> str:
        return conversation_id(await self.store.id_key(), BUSINESS, ADA)

    async def sent(self) -> list[str]:
        name = keys.lane_items("outbox", await self.conversation())
        return [json.loads(part)["body"] for part in await self.store.client.lrange(name, 0, -1)]

    async def records(self, kind: str) -> list[dict[str, Any]]:
        return [r["data"] for r in await log_of(self.store) if r["kind"] == kind]

    async def state(self) -> HandedOver:
        state = await self.desk.state(await self.conversation())
        assert state
        return state

    async def time_is_up(self) -> None:
        """As if the customer had waited all the time there is."""
        due: dict[str | bytes, float] = {await self.conversation(): time.time() * 1000 - 1}
        await self.store.client.zadd(keys.DESK, due, xx=True)
        await self.desk.sweep()


@pytest.fixture
async def shop(
    store: Store, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Shop]:
    monkeypatch.setenv("REDIS_URL", valkey_url)
    monkeypatch.setenv("REPLY_SETTLE_MS", "0")
    (tmp_path / "shop.yml").write_text(
        "name: Shop\nprompt: Hi.\nhand_over_minutes: 5\ntexts:\n"
        f"  nobody_free: {NOBODY}\n  handed_back: {BACK_AGAIN}\n"
    )
    assistants, sessions = LiveAssistants(tmp_path), SessionStore(Domain.empty())
    inbox, rasa = (
        Inbox(store, settle_ms=0, session_seconds=lambda number: 86_400),
        RasaInOneLine(sessions),
    )

    runner = TurnRunner(
        rasa.handle,
        lambda turn, reason: sessions.apologise(turn, SORRY, reason),
        sessions.tell_more,
        sessions.windows.read,
        assistants,
    )
    worker = Worker(inbox.lane, runner.handle, concurrency=2, longest_wait=0.05)
    worker.start()
    await Ledger(store, list).make_whole()
    yield Shop(store, inbox, rasa, HandOver(store, assistants, 86_400))
    await worker.stop()
    await sessions.store.close()


async def test_who_asks_for_a_person_waits_for_one(shop: Shop) -> None:
    await shop.texts("human")
    await shop.texts("hello?")
    assert await shop.sent() == [A_PERSON_COMES]  # and no word more
    state = await shop.state()
    assert (state.state, state.reason, state.assistant) == (WAITING, "asked", "shop")
    assert state.due_ms is not None
    assert 4 * 60_000 < state.due_ms - state.since_ms <= 5 * 60_000
    assert await shop.desk.all() == [state]
    assert await shop.records("handover.asked") == [{"reason": "asked", "asked_by": "customer"}]
    heard = [
        event["text"]
        for turn in await shop.records("turn")
        for event in turn["events"]
        if event["event"] == "user"
    ]
    assert heard == ["human", "hello?"]  # the person reads it all


async def test_an_operator_answers_and_gives_it_back(shop: Shop) -> None:
    await shop.texts("human")
    state = await shop.state()
    await shop.desk.take(state.conversation, state.session, "Marta")
    [part] = await shop.desk.answer(state.conversation, state.session, "Marta", "Hi, Marta here.")
    assert part.startswith(state.conversation)
    assert (await shop.state()).due_ms is None  # nobody waits
    await shop.texts("thanks")
    assert (await shop.state()).due_ms is not None  # now somebody does
    await shop.desk.give_back(state.conversation, state.session, "Marta")
    await shop.texts("when are you open?")
    assert await shop.sent() == [
        A_PERSON_COMES,
        "Hi, Marta here.",
        BACK_AGAIN,
        "You said: when are you open?",
    ]
    assert await shop.desk.all() == []
    assert await shop.records("handover.taken") == [{"operator": "Marta"}]
    released = [{"operator": "Marta", "reason": "Marta"}]
    assert await shop.records("handover.released") == released


async def test_what_an_operator_says_is_in_the_tracker_and_on_record(shop: Shop) -> None:
    await shop.texts("human")
    state = await shop.state()
    await shop.desk.take(state.conversation, state.session, "Marta")
    await shop.desk.answer(state.conversation, state.session, "Marta", "It is **ready**.")
    tracker = await shop.rasa.sessions.retrieve_full_tracker(state.conversation)
    assert tracker
    said = [event for event in tracker.events if isinstance(event, BotUttered)][-1]
    assert said.text == "It is ready."  # no Markdown on a phone
    assert said.metadata["operator"] == "Marta"
    known = await Transcripts(shop.store).read(state.conversation, 10_000)
    assert "It is ready." in [event["text"] for event in known.events]  # the model knows it, too
    [part] = (await shop.records("turn"))[-1]["parts"]
    assert (part["body"], part["segments"]) == ("It is ready.", 1)


async def test_two_operators_cannot_hold_one_conversation(shop: Shop) -> None:
    await shop.texts("human")
    state = await shop.state()
    takes = (
        shop.desk.take(state.conversation, state.session, name) for name in ("Marta", "Joe", "Ann")
    )
    results = await asyncio.gather(*takes, return_exceptions=True)
    refused = [result for result in results if isinstance(result, HeldByAnother)]
    holder = (await shop.state()).operator
    assert (len(refused), {error.operator for error in refused}) == (2, {holder})
    await shop.desk.take(state.conversation, state.session, holder)  # again: nothing changes
    assert len(await shop.records("handover.taken")) == 1
    with pytest.raises(NotHeld):
        await shop.desk.answer(state.conversation, state.session, "somebody else", "Hi.")
    assert await shop.sent() == [A_PERSON_COMES]


async def test_an_operator_can_take_over_unasked(shop: Shop) -> None:
    await shop.texts("hello")
    conversation = await shop.conversation()
    session = await shop.store.field(keys.session(conversation), "id") or ""
    await shop.desk.take(conversation, session, "Marta")
    await shop.texts("are you there?")
    assert await shop.sent() == ["You said: hello"]
    state = await shop.state()
    assert (state.state, state.operator) == (HELD, "Marta")
    assert state.due_ms is not None  # the customer waits now


async def test_who_takes_over_while_the_assistant_asks_for_a_person_keeps_it(shop: Shop) -> None:
    await shop.texts("hello")
    conversation = await shop.conversation()
    session = await shop.store.field(keys.session(conversation), "id") or ""
    shop.rasa.before_saving = lambda: shop.desk.take(conversation, session, "Marta")
    await shop.texts("human")
    state = await shop.state()
    assert (state.state, state.operator) == (HELD, "Marta")
    await shop.desk.answer(conversation, session, "Marta", "Here I am.")
    assert (await shop.sent())[-1] == "Here I am."


async def test_while_a_person_answers_nobody_gets_the_rest_of_what_the_assistant_said(
    shop: Shop,
) -> None:
    await shop.texts("hello")
    conversation = await shop.conversation()
    session = await shop.store.field(keys.session(conversation), "id") or ""
    shop.rasa.before_saving = lambda: shop.desk.take(conversation, session, "Marta")
    await shop.texts("Tell me everything. " * 75)
    told = await shop.sent()
    await shop.texts("MORE")
    assert await shop.sent() == told
    state = await shop.state()
    assert state.due_ms is not None  # it is for Marta


async def test_nobody_answers_in_time(shop: Shop) -> None:
    await shop.texts("human")
    await shop.desk.sweep()
    assert await shop.sent() == [A_PERSON_COMES]  # it is not time yet
    await shop.time_is_up()
    await shop.desk.sweep()
    await shop.texts("hello?")
    assert await shop.sent() == [A_PERSON_COMES, NOBODY, "You said: hello?"]
    assert (await shop.records("handover.released"))[0]["operator"] == ""


async def test_two_processes_give_it_back_once(shop: Shop) -> None:
    await shop.texts("human")
    state = await shop.state()
    due: dict[str | bytes, float] = {state.conversation: time.time() * 1000 - 1}
    await shop.store.client.zadd(keys.DESK, due)
    await asyncio.gather(*(shop.desk.sweep() for _ in range(4)))
    assert await shop.sent() == [A_PERSON_COMES, NOBODY]


async def test_an_operator_who_was_asked_for_and_is_slow_loses_it(shop: Shop) -> None:
    await shop.texts("human")
    state = await shop.state()
    await shop.desk.take(state.conversation, state.session, "Marta")
    await shop.time_is_up()
    with pytest.raises(NotHeld):
        await shop.desk.answer(state.conversation, state.session, "Marta", "Here I am.")
    assert await shop.sent() == [A_PERSON_COMES, NOBODY]


async def test_nothing_is_said_in_a_session_that_ended(shop: Shop) -> None:
    await shop.texts("human")
    state = await shop.state()
    await shop.desk.take(state.conversation, state.session, "Marta")
    ended = (keys.session(state.conversation), keys.events(state.conversation))
    await shop.store.client.delete(*ended)  # as its time does
    with pytest.raises(NotAllowed, match="no session is live"):
        await shop.desk.answer(state.conversation, state.session, "Marta", "Still there?")
    with pytest.raises(SessionOver):
        await shop.desk.take(state.conversation, state.session, "Joe")
    assert await shop.desk.all() == []
    await shop.texts("hello")  # a new session: the assistant's
    assert (await shop.sent())[-1] == "You said: hello"


async def test_a_failing_turn_is_no_reason_to_speak_while_a_person_does(shop: Shop) -> None:
    await shop.texts("human")
    shop.rasa.breaks = True
    name = keys.lane_items("inbox", await shop.conversation())
    await shop.inbox.accept(InboundText(f"SM{99:032x}", ADA, BUSINESS, "hello?"))
    waiting = await shop.store.client.lrange(name, 0, -1)
    old = str(int(waiting[0].split(" ")[0]) - 3_600_000)
    await shop.store.client.lset(name, 0, " ".join([old, *waiting[0].split(" ")[1:]]))
    async with async_timeout.timeout(30):
        while await shop.store.client.llen(name):
            await asyncio.sleep(0.01)
    assert await shop.sent() == [A_PERSON_COMES]


async def test_stop_works_while_a_person_has_it(shop: Shop) -> None:
    await shop.texts("human")
    state = await shop.state()
    await shop.desk.take(state.conversation, state.session, "Marta")
    await shop.inbox.accept(InboundText(f"SM{98:032x}", ADA, BUSINESS, "STOP"))
    assert await shop.store.field(keys.CONSENT, state.conversation) in ("out", "out:twilio")
    with pytest.raises(NotAllowed):
        await shop.desk.answer(state.conversation, state.session, "Marta", "One moment.")
    assert await shop.desk.all() == []


async def test_who_opts_out_in_other_words_is_out_with_the_commit(shop: Shop) -> None:
    """What the tool opt_out notes: the ledger, the confirmation's kind, and the session's end."""
    await shop.texts("que me dejen tranquila")
    conversation = await shop.conversation()
    assert await shop.store.field(keys.CONSENT, conversation) == "out"
    [part] = await shop.store.client.lrange(keys.lane_items("outbox", conversation), 0, -1)
    assert Part.read(part).kind == "opted_out"  # the gate lets this one through
    assert not await shop.store.client.exists(keys.session(conversation))
    [consent] = await shop.records("consent")
    assert (consent["state"], consent["how"]) == ("out", "model")


async def test_an_empty_answer_is_none(shop: Shop) -> None:
    await shop.texts("human")
    state = await shop.state()
    await shop.desk.take(state.conversation, state.session, "Marta")
    with pytest.raises(ValueError, match="nothing to send"):
        await shop.desk.answer(state.conversation, state.session, "Marta", "  ")


async def test_what_the_desk_says_counts(shop: Shop) -> None:
    """A turn under way may have stored a snapshot that knows nothing of the operator."""
    await shop.texts("hello")
    tracker = await shop.rasa.sessions.retrieve(await shop.conversation())
    assert tracker
    obey(tracker, HELD)
    assert tracker.is_paused()
    obey(tracker, "back")
    assert not tracker.is_paused()
    assert tracker.latest_action_name == "action_listen"
    before = len(tracker.events)
    obey(tracker, "")
    obey(tracker, "back")
    assert len(tracker.events) == before
