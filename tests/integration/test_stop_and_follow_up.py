"""STOP while an answer is made, opt-outs that the model hears, and what no text asked for."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import async_timeout
import pytest
from rasa.core.channels.channel import UserMessage
from rasa.shared.core.events import ActionExecuted, BotUttered, UserUttered
from structlog.testing import capture_logs

from connectors import keys
from connectors.assistant import Texts
from connectors.errors import NotAllowed, SessionOver
from connectors.follow_up import FollowUps, saying
from connectors.gatekeeper import Gatekeeper
from connectors.layout import Style
from connectors.ledger import Ledger
from connectors.reply import SmsReply
from connectors.session_store import SessionStore
from connectors.store import Store
from tests.integration.office import Office, office_of, text
from tests.log import log_of

pytestmark = pytest.mark.integration

CONFIRMED = "unsubscribed"


@pytest.fixture
async def whole_ledger(store: Store) -> Ledger:
    ledger = Ledger(store, list)
    await ledger.make_whole()
    return ledger


async def parts(office: Office) -> list[dict[str, Any]]:
    name = keys.lane_items("outbox", await office.conversation())
    return [json.loads(part) for part in await office.store.client.lrange(name, 0, -1)]


async def is_idle(office: Office) -> None:
    async with async_timeout.timeout(15):
        while await office.store.client.zcard(office.inbox.lane.due):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("words", "confirmations"), [("STOP", 0), ("Please stop texting me.", 1)], ids=["twilio", "us"]
)
async def test_stop_while_the_model_is_thinking(
    office: Office, words: str, confirmations: int
) -> None:
    """No answer leaves, and one confirmation: Twilio's, or ours."""
    thinking, go_on = asyncio.Event(), asyncio.Event()

    async def think(_: str) -> None:
        thinking.set()
        await go_on.wait()

    office.assistant.before_saving = think
    office.worker.start()
    await office.inbox.accept(text(1, "hello"))
    await thinking.wait()
    await office.inbox.accept(text(2, "one more thing"))
    await office.inbox.accept(text(3, words))
    with capture_logs() as log:
        go_on.set()
        await is_idle(office)
    assert {line["log_level"] for line in log if line["event"] == "turn.stopped"} == {"info"}
    assert not [line for line in log if line["log_level"] in ("warning", "error")]
    said = await parts(office)
    assert [CONFIRMED in part["body"] for part in said] == [True] * confirmations
    assert not await office.store.client.exists(keys.session(await office.conversation()))
    late = [r["data"]["sid"] for r in await log_of(office.store) if r["kind"] == "text.too_late"]
    assert late == [text(1, "").sid, text(2, "").sid]


async def test_stop_and_start_while_the_model_is_thinking(office: Office) -> None:
    """The answer of before the STOP does not come after all."""
    thinking, go_on = asyncio.Event(), asyncio.Event()

    async def think(said: str) -> None:
        if said == "hello":
            thinking.set()
            await go_on.wait()

    office.assistant.before_saving = think
    office.worker.start()
    await office.inbox.accept(text(1, "hello"))
    await thinking.wait()
    for number, words in enumerate(["STOP", "START", "are you there?"], 2):
        await office.inbox.accept(text(number, words))
    with capture_logs() as log:
        go_on.set()
        assert await office.answers(1) == ["You said: are you there?"]
    assert "turn.stopped" in [line["event"] for line in log]
    assert "turn.too_late" not in [line["event"] for line in log]


async def test_the_model_hears_an_opt_out(
    store: Store, sessions: SessionStore, whole_ledger: Ledger
) -> None:
    """Its tool marks the answer; what is sent is the fixed text, and the session ends with it."""
    office = office_of(store, sessions)

    async def handle(message: UserMessage) -> None:
        tracker = await sessions.get_or_create_tracker(message.sender_id)
        tracker.update(UserUttered(message.text, message_id=message.message_id))
        await message.output_channel.send_response(message.sender_id, {"text": "As you like!"})
        tracker.update(BotUttered("As you like!", metadata={"opt_out": True}))
        tracker.update(ActionExecuted("action_listen"))
        await sessions.save(tracker)

    office.assistant.handle = handle  # type: ignore[method-assign]
    office.worker.handle.__self__.to_rasa = handle  # type: ignore[attr-defined]
    office.worker.start()
    await office.inbox.accept(text(1, "I have had it with you lot, never again"))
    [said] = await office.answers(1)
    assert CONFIRMED in said
    [part] = await parts(office)
    assert part["kind"] == "opted_out"
    assert await whole_ledger.word(await office.conversation()) == "out"
    assert await sessions.retrieve(await office.conversation()) is None
    consents = [r["data"] for r in await log_of(store) if r["kind"] == "consent"]
    assert [(c["state"], c["how"], c["sid"]) for c in consents] == [("out", "model", "")]
    await office.worker.stop()


async def say_later(sessions: SessionStore, conversation: str, reply: SmsReply) -> None:
    """What Rasa does for a reminder: fetch the tracker, run an action, save."""
    tracker = await sessions.get_or_create_tracker(conversation)
    await reply.send_response(conversation, {"text": "Your bike is ready."})
    tracker.update(BotUttered("Your bike is ready."))
    await sessions.save(tracker)


def follow_ups(store: Store) -> FollowUps:
    return FollowUps(Gatekeeper(store), lambda number: Style())


async def test_a_reminder_may_speak_in_a_live_session(office: Office, whole_ledger: Ledger) -> None:
    office.worker.start()
    await office.inbox.accept(text(1, "hello"))
    await office.answers(1)
    conversation = await office.conversation()
    follow_up = await follow_ups(office.store).open(conversation, "reminder", "bike_ready")
    with saying(follow_up):
        await say_later(office.assistant.sessions, conversation, follow_up.reply)
    assert await office.answers(2) == ["You said: hello", "Your bike is ready."]
    assert [e["text"] for e in await office.events("bot")][-1] == "Your bike is ready."
    turn = (await log_of(office.store))[-1]
    assert (turn["kind"], turn["data"]["texts"]) == ("turn", [])
    assert [part["body"] for part in turn["data"]["parts"]] == ["Your bike is ready."]


async def test_what_comes_after_the_end_is_neither_sent_nor_stored(
    office: Office, whole_ledger: Ledger
) -> None:
    """STOP came after the gate had let the reminder in, and before it was committed."""
    office.worker.start()
    await office.inbox.accept(text(1, "hello"))
    await office.answers(1)
    conversation = await office.conversation()
    follow_up = await follow_ups(office.store).open(conversation, "reminder", "bike_ready")
    await office.inbox.accept(text(2, "STOP"))
    with saying(follow_up), pytest.raises(SessionOver):
        await say_later(office.assistant.sessions, conversation, follow_up.reply)
    assert await office.answers(1) == ["You said: hello"]
    assert not await office.store.client.exists(keys.events(conversation))
    with pytest.raises(NotAllowed) as refused:
        await follow_ups(office.store).open(conversation, "reminder", "bike_ready")
    assert refused.value.reason == "opted_out"
    assert "START" in refused.value.do


async def test_nobody_follows_up_on_nothing(store: Store, whole_ledger: Ledger) -> None:
    with pytest.raises(NotAllowed) as refused:
        await follow_ups(store).open("c" * 32, "trigger_intent", "the API")
    assert refused.value.reason == "no_session"
    [record] = await log_of(store)
    assert record["kind"] == "refused"
    assert record["data"]["route"] == "trigger_intent"
    assert await store.client.keys("*session:*") == []


async def test_who_keeps_the_channel_of_a_turn_is_refused_and_noted() -> None:
    told: list[str] = []

    async def refused(conversation: str) -> None:
        told.append(conversation)

    channel = SmsReply()
    channel.close(refused)
    await channel.send_text_message("a-customer", "Psst!")
    assert told == ["a-customer"]
    assert channel.texts == []


def test_the_fixed_texts_say_what_the_tests_look_for() -> None:
    assert CONFIRMED in Texts().opted_out
