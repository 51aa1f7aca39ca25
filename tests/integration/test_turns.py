"""Texts in, turns, the commit: on a real Valkey, with a Rasa that answers in one line."""

from __future__ import annotations

import asyncio

import pytest
from rasa.core.tracker_store import FailSafeTrackerStore
from rasa.shared.core.domain import Domain

from connectors import keys
from connectors.assistants import Assistants
from connectors.inbox import Outcome
from connectors.session_store import SessionStore
from connectors.store import Store
from connectors.turn import Turn
from tests.integration.office import ADA, BEN, BUSINESS, Office, claim_of, office_of, text
from tests.log import log_of

pytestmark = pytest.mark.integration


async def test_a_text_is_answered(office: Office) -> None:
    office.worker.start()
    assert await office.inbox.accept(text(1, "hello"))
    assert await office.answers(1) == ["You said: hello"]


async def test_a_redelivered_text_is_not_answered_again(office: Office) -> None:
    office.worker.start()
    accepted = await asyncio.gather(*(office.inbox.accept(text(1, "hello")) for _ in range(5)))
    assert sorted(accepted) == [Outcome.SEEN_BEFORE] * 4 + [Outcome.WAITS]
    await office.answers(1)
    assert not await office.inbox.accept(text(1, "hello"))
    await office.inbox.accept(text(2, "and now"))
    assert await office.answers(2) == ["You said: hello", "You said: and now"]


async def test_the_session_log_has_what_was_said_and_done(office: Office) -> None:
    office.worker.start()
    await office.inbox.accept(text(1, "hello"))
    await office.inbox.accept(text(1, "hello"))  # the same webhook again is nothing new
    await office.answers(1)
    opened, heard, turn = await log_of(office.store)
    assert opened["kind"] == "session.opened"
    assert opened["data"] == {"business": BUSINESS, "customer": ADA}
    assert heard["kind"] == "text"
    assert heard["data"] == text(1, "hello").__dict__
    assert turn["kind"] == "turn"
    assert turn["data"]["texts"] == [text(1, "").sid]
    assert [event["event"] for event in turn["data"]["events"]] == ["user", "bot", "action"]
    [part] = turn["data"]["parts"]
    assert (part["body"], part["segments"], part["encoding"]) == ("You said: hello", 1, "GSM-7")
    assert turn["data"]["failed"] == ""
    session = await office.store.field(keys.session(await office.conversation()), "id")
    assert {record["session"] for record in (opened, heard, turn)} == {session}
    assert {record["conversation"] for record in (opened, heard, turn)} == {
        await office.conversation()
    }


async def test_a_redis_that_lost_its_data_needs_no_restart(office: Office, valkey_url: str) -> None:
    office.worker.start()
    await office.inbox.accept(text(1, "before"))
    await office.answers(1)
    await office.store.client.flushall()
    other = Store.connect(valkey_url)
    await other.id_key()  # another process was first to make a new one
    await other.close()
    assert await office.inbox.accept(text(2, "after"))
    assert await office.answers(1) == ["You said: after"]


async def test_texts_of_a_burst_are_one_turn(store: Store, sessions: SessionStore) -> None:
    office = office_of(store, sessions, settle_ms=300)
    office.worker.start()
    for number, body in enumerate(["one", "two", "three"]):
        await office.inbox.accept(text(number, body))
    assert await office.answers(1) == ["You said: one\ntwo\nthree"]
    [said] = await office.events("user")
    assert [t["sid"] for t in said["metadata"]["texts"]] == [text(n, "").sid for n in range(3)]  # type: ignore[index]
    await office.worker.stop()


async def test_texts_that_come_during_a_turn_make_the_next_one(office: Office) -> None:
    thinking, go_on = asyncio.Event(), asyncio.Event()

    async def think(_: str) -> None:
        thinking.set()
        await go_on.wait()

    office.assistant.before_saving = think
    office.worker.start()
    await office.inbox.accept(text(1, "one"))
    await thinking.wait()
    await office.inbox.accept(text(2, "two"))
    await office.inbox.accept(text(3, "three"))
    go_on.set()
    assert await office.answers(2) == ["You said: one", "You said: two\nthree"]


async def test_a_slow_customer_delays_nobody_else(office: Office) -> None:
    never = asyncio.Event()

    async def think(said: str) -> None:
        if said == "slow":
            await never.wait()

    office.assistant.before_saving = think
    office.worker.start()
    await office.inbox.accept(text(1, "slow"))
    await office.inbox.accept(text(2, "quick", customer=BEN))
    assert await office.answers(1, BEN) == ["You said: quick"]


async def test_the_session_lasts_a_day_from_the_last_message(office: Office) -> None:
    office.worker.start()
    await office.inbox.accept(text(1, "hello"))
    await office.answers(1)
    conversation = await office.conversation()
    names = keys.session(conversation), keys.events(conversation)
    for name in names:
        assert 86_395 <= await office.store.client.ttl(name) <= 86_400
        await office.store.client.expire(name, 100)
    assert await office.assistant.sessions.retrieve(conversation)
    assert await office.assistant.sessions.retrieve_full_tracker(conversation)
    assert list(await office.assistant.sessions.keys()) == [conversation]
    assert [await office.store.client.ttl(name) for name in names] == [100, 100]
    await office.inbox.accept(text(2, "still there?"))
    assert await office.store.client.ttl(names[0]) > 86_000


async def test_an_unknown_conversation_leaves_nothing_behind(sessions: SessionStore) -> None:
    tracker = await sessions.get_or_create_tracker("nobody", append_action_listen=False)
    await sessions.save(tracker)
    assert await sessions.retrieve("nobody") is None
    assert await sessions.store.client.keys("*nobody*") == []


async def test_only_new_events_are_written(office: Office) -> None:
    office.worker.start()
    for number, body in enumerate(["one", "two"], 1):
        await office.inbox.accept(text(number, body))
        await office.answers(number)
    assert [e["text"] for e in await office.events("user")] == ["one", "two"]
    assert [e["text"] for e in await office.events("bot")] == ["You said: one", "You said: two"]


async def test_a_picture_without_words_has_an_intent_of_its_own() -> None:
    turn = Turn.of(claim_of(text(1, "", media=1)), Assistants.load())
    message = turn.message()
    assert message.text == "[picture]"
    assert message.parse_data["intent"]["name"] == "send_media"


@pytest.mark.parametrize("body", ["/restart", "  /session_start", '/ask{"slot": "x"}', "/"])
async def test_a_command_in_a_text_is_a_text(body: str) -> None:
    message = Turn.of(claim_of(text(1, body)), Assistants.load()).message()
    assert message.text == body.strip()
    assert message.parse_data["intent"]["name"] == "nlu_fallback"


async def test_rasas_own_clock_ends_no_session(sessions: SessionStore) -> None:
    """It counts from the customer's last text; ours counts from the last message either way."""
    domain = Domain.from_yaml(
        'version: "3.1"\nsession_config: {session_expiration_time: 1440,'
        " carry_over_slots_to_new_session: true}\n"
    )
    FailSafeTrackerStore(sessions).domain = domain  # as Rasa hands it over
    assert not domain.session_config.are_sessions_enabled()
    assert not domain.session_config.carry_over_slots
