"""Texts in, turns, the commit: on a real Valkey, with a Rasa that answers in one line."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import async_timeout
import pytest
from rasa.core.channels.channel import UserMessage
from rasa.core.tracker_store import FailSafeTrackerStore
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActionExecuted, BotUttered, ConversationPaused, UserUttered

from connectors import keys
from connectors import turn as turn_room
from connectors.assistants import Assistants, LiveAssistants
from connectors.dead_letters import DeadLetters, Retry
from connectors.errors import LeaseLost, NothingToSay
from connectors.ids import conversation_id
from connectors.inbox import Inbox, Outcome
from connectors.lanes import Claim, Lane, Worker
from connectors.left_open import LeftOpen
from connectors.session_store import SessionStore
from connectors.store import Store
from connectors.turn import QUICK_TRIES, Turn, TurnRunner, current_turn
from connectors.wire import InboundText
from tests.log import log_of

pytestmark = pytest.mark.integration

BUSINESS, ADA, BEN = "+15550100001", "+15550109999", "+15550108888"
SORRY = "Sorry, that did not work."


def text(number: int, body: str, customer: str = ADA, media: int = 0) -> InboundText:
    return InboundText(f"SM{number:032x}", customer, BUSINESS, body, media)


@dataclass
class Assistant:
    """Rasa in one line: repeats what it is told, and can be made to fail."""

    sessions: SessionStore
    heard: list[str] = field(default_factory=list)
    before_saving: Callable[[str], Awaitable[None]] | None = None
    buttons: list[dict[str, str]] = field(default_factory=list)
    understood: list[Any] = field(default_factory=list)
    silent: bool = False
    paused: bool = False

    async def handle(self, message: UserMessage) -> None:
        self.heard.append(message.text)
        self.understood.append(message.parse_data)
        tracker = await self.sessions.get_or_create_tracker(
            message.sender_id, append_action_listen=False
        )
        tracker.update(
            UserUttered(message.text, message_id=message.message_id, metadata=message.metadata)
        )
        if self.paused:
            tracker.update(ConversationPaused())
        if self.before_saving:
            await self.before_saving(message.text)
        if not self.silent:
            await message.output_channel.send_response(
                message.sender_id,
                {"text": f"You said: {message.text}", "buttons": self.buttons},
            )
            tracker.update(BotUttered(f"You said: {message.text}"))
        tracker.update(ActionExecuted("action_listen"))
        await self.sessions.save(tracker)


@dataclass
class Office:
    """An inbox, an assistant, and a worker between them."""

    store: Store
    inbox: Inbox
    assistant: Assistant
    worker: Worker

    async def conversation(self, customer: str = ADA) -> str:
        return conversation_id(await self.store.id_key(), BUSINESS, customer)

    async def answers(self, count: int, customer: str = ADA) -> list[str]:
        """The first answers in the outbox, once there are so many."""
        name = keys.lane_items("outbox", await self.conversation(customer))
        async with async_timeout.timeout(15):
            while await self.store.client.llen(name) < count:
                await asyncio.sleep(0.01)
        return [json.loads(part)["body"] for part in await self.store.client.lrange(name, 0, -1)]

    async def events(self, kind: str) -> list[dict[str, object]]:
        stored = await self.store.client.lrange(keys.events(await self.conversation()), 0, -1)
        return [e for e in map(json.loads, stored) if e["event"] == kind]


@pytest.fixture
async def sessions(
    store: Store, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SessionStore]:
    monkeypatch.setenv("REDIS_URL", valkey_url)
    monkeypatch.setenv("REPLY_SETTLE_MS", "0")
    sessions = SessionStore(Domain.empty())
    yield sessions
    await sessions.store.close()


def office_of(store: Store, sessions: SessionStore, settle_ms: int = 0) -> Office:
    assistant = Assistant(sessions)
    inbox = Inbox(store, settle_ms=settle_ms, session_seconds=lambda number: 86_400)

    async def apologise(turn: Turn, reason: str) -> None:
        await sessions.apologise(turn, SORRY, reason)

    async def left_open(conversation: str) -> str | None:
        return await store.field(keys.session(conversation), "left_open")

    runner = TurnRunner(
        assistant.handle, apologise, sessions.tell_more, left_open, LiveAssistants()
    )
    return Office(store, inbox, assistant, Worker(inbox.lane, runner.handle, concurrency=8))


@pytest.fixture
async def office(store: Store, sessions: SessionStore) -> AsyncIterator[Office]:
    office = office_of(store, sessions)
    yield office
    await office.worker.stop()


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


async def test_a_redis_that_lost_its_data_needs_no_restart(office: Office) -> None:
    office.worker.start()
    await office.inbox.accept(text(1, "before"))
    await office.answers(1)
    await office.store.client.flushall()
    await Store(office.store.client).id_key()  # another process was first to make a new one
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


async def test_a_turn_that_fails_is_tried_again(office: Office) -> None:
    failures = iter([RuntimeError("the action server is down")])

    async def fail_once(_: str) -> None:
        for failure in failures:
            raise failure

    office.assistant.before_saving = fail_once
    office.worker.start()
    await office.inbox.accept(text(1, "hello"))
    assert await office.answers(1) == ["You said: hello"]
    assert office.assistant.heard == ["hello", "hello"]
    assert len(await office.events("user")) == 1


async def test_a_dead_letter_can_be_tried_again_while_the_session_lives(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.turn.ANSWER_WITHIN_SECONDS", 0.0)
    office.assistant.silent = True
    office.worker.start()
    for number, body in enumerate(["one", "two"], 1):
        await office.inbox.accept(text(number, body))
        await office.answers(number)
    dead = DeadLetters(office.store)
    letters = await dead.all()
    assert ["without a reply" in letter.reason for letter in letters] == [True, True]
    office.assistant.silent = False
    assert await dead.retry(letters[0]) is Retry.IN_THE_INBOX
    assert await dead.retry(letters[0]) is Retry.TAKEN_BY_ANOTHER
    assert await office.answers(3) == [SORRY, SORRY, "You said: one"]
    assert await dead.all() == letters[1:]
    await office.store.client.delete(keys.session(await office.conversation()))
    assert await dead.retry(letters[1]) is Retry.SESSION_OVER
    assert await dead.all() == letters[1:]


async def test_half_an_answer_is_none(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """ "One moment" and then a failed action: Rasa would leave it at that."""
    monkeypatch.setattr("connectors.turn.ANSWER_WITHIN_SECONDS", 0.0)

    async def an_action_fails(_: str) -> None:
        turn = current_turn.get()
        assert turn is not None
        turn.failed_actions.append("action_look_up")

    office.assistant.before_saving = an_action_fails
    office.worker.start()
    await office.inbox.accept(text(1, "hello"))
    assert await office.answers(1) == [SORRY]
    [apology] = await office.events("bot")
    assert "action_look_up failed" in apology["metadata"]["reason"]  # type: ignore[index]


async def test_a_turn_that_says_nothing_gets_a_plain_sentence_in_the_end(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.turn.ANSWER_WITHIN_SECONDS", 0.0)
    office.assistant.silent = True
    office.worker.start()
    await office.inbox.accept(text(1, "hello"))
    assert await office.answers(1) == [SORRY]
    assert len(office.assistant.heard) == QUICK_TRIES
    [apology] = await office.events("bot")
    assert "without a reply" in apology["metadata"]["reason"]  # type: ignore[index]
    office.assistant.silent = False
    await office.inbox.accept(text(2, "and now?"))
    assert await office.answers(2) == [SORRY, "You said: and now?"]


async def test_a_paused_conversation_may_stay_silent(office: Office) -> None:
    office.assistant.silent = office.assistant.paused = True
    office.worker.start()
    await office.inbox.accept(text(1, "hello"))
    async with async_timeout.timeout(10):
        while await office.store.client.zcard(office.inbox.lane.due):
            await asyncio.sleep(0.01)
    assert await office.answers(0) == []
    assert len(await office.events("user")) == 1


async def test_a_text_that_kills_the_process_is_given_up(office: Office) -> None:
    await office.inbox.accept(text(1, "poison"))
    await office.store.client.hset(office.inbox.lane.tries, await office.conversation(), "10")
    office.worker.start()
    assert await office.answers(1) == [SORRY]
    assert office.assistant.heard == []


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


def claim_of(*texts: InboundText) -> Claim:
    items = tuple(f"1700000000000 SESSION {json.dumps(t.__dict__)}" for t in texts)
    return Claim("c", 1, 1, items)


class TestFence:
    """A worker that lost its lease can do no harm."""

    async def test_its_commit_is_refused(self, office: Office) -> None:
        lane = Lane(office.store, "inbox", 50, lease_seconds=0.05)
        await office.inbox.accept(text(1, "hello"))
        slow = await claim(lane)
        await asyncio.sleep(0.06)  # the lease is a time: only time ends it
        quick = await claim(lane)
        assert quick.fence > slow.fence
        assert (quick.conversation, quick.items) == (slow.conversation, slow.items)
        await self.commit(office, quick)
        with pytest.raises(LeaseLost):
            await self.commit(office, slow)
        assert await office.answers(1) == ["You said: hello"]
        with pytest.raises(LeaseLost):
            await lane.release(slow, 0)
        with pytest.raises(LeaseLost):
            await lane.renew(slow)

    async def test_a_renewed_lease_stays(self, office: Office) -> None:
        lane = Lane(office.store, "inbox", 50, lease_seconds=0.2)
        await office.inbox.accept(text(1, "hello"))
        held = await claim(lane)
        for _ in range(3):
            await asyncio.sleep(0.1)
            await lane.renew(held)
            assert not isinstance(await lane.claim(), Claim)
        await self.commit(office, held)

    async def commit(self, office: Office, claim: Claim) -> None:
        turn = Turn.of(claim, Assistants.load())
        token = current_turn.set(turn)
        try:
            await office.assistant.handle(turn.message())
        finally:
            current_turn.reset(token)


async def claim(lane: Lane) -> Claim:
    found = await lane.claim()
    assert isinstance(found, Claim)
    return found


async def test_a_save_for_another_conversation_is_no_commit(
    office: Office, sessions: SessionStore
) -> None:
    await office.inbox.accept(text(1, "hello"))
    turn = Turn.of(await claim(office.inbox.lane), Assistants.load())
    token = current_turn.set(turn)
    try:
        tracker = await sessions.get_or_create_tracker("another")
        tracker.update(UserUttered("hi"))
        await sessions.save(tracker)
        assert not turn.committed
        own = await sessions.get_or_create_tracker(turn.conversation)
        with pytest.raises(NothingToSay):
            await sessions.save(own)
    finally:
        current_turn.reset(token)


async def test_two_workers_share_one_redis(store: Store, sessions: SessionStore) -> None:
    offices = [office_of(store, sessions), office_of(store, sessions)]
    for each in offices:
        each.worker.start()
    for number in range(60):
        await offices[0].inbox.accept(
            text(number, f"text {number}", customer=f"+1555010{number:04}")
        )
    for number in range(60):
        answers = await offices[0].answers(1, f"+1555010{number:04}")
        assert answers == [f"You said: text {number}"]
    heard = [said for each in offices for said in each.assistant.heard]
    assert len(heard) == 60
    for each in offices:
        await each.worker.stop()


async def test_what_a_stopping_worker_holds_is_taken_over_at_once(
    store: Store, sessions: SessionStore
) -> None:
    first, second = office_of(store, sessions), office_of(store, sessions)
    thinking, never = asyncio.Event(), asyncio.Event()

    async def think(_: str) -> None:
        thinking.set()
        await never.wait()

    first.assistant.before_saving = think
    first.worker.start()
    await first.inbox.accept(text(1, "hello"))
    await thinking.wait()
    began = time.monotonic()
    await first.worker.stop()
    second.worker.start()
    assert await second.answers(1) == ["You said: hello"]
    assert time.monotonic() - began < 3  # the lease would have lasted ten
    await second.worker.stop()


async def test_a_turn_longer_than_the_lease_stays_with_its_worker(
    store: Store, sessions: SessionStore
) -> None:
    offices = [office_of(store, sessions), office_of(store, sessions)]
    for each in offices:
        each.inbox.lane.lease_seconds = 0.3
        each.assistant.before_saving = lambda _: asyncio.sleep(1)
        each.worker.start()
    await offices[0].inbox.accept(text(1, "hello"))
    assert await offices[0].answers(1) == ["You said: hello"]
    assert [said for each in offices for said in each.assistant.heard] == ["hello"]
    for each in offices:
        await each.worker.stop()


async def test_a_worker_that_lost_its_lease_stops_what_it_does(office: Office) -> None:
    office.inbox.lane.lease_seconds = 0.3
    stopped, thinking, never = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def think(_: str) -> None:
        thinking.set()
        try:
            await never.wait()
        finally:
            stopped.set()

    office.assistant.before_saving = think
    office.worker.start()
    await office.inbox.accept(text(1, "hello"))
    await thinking.wait()
    await office.store.client.hset(office.inbox.lane.leases, await office.conversation(), "1000")
    async with async_timeout.timeout(5):
        await stopped.wait()
    assert await office.answers(0) == []


async def test_an_idle_worker_wakes_without_waiting_for_a_tick(office: Office) -> None:
    office.worker.start()
    await office.inbox.accept(text(0, "warm up"))
    await office.answers(1)
    loop, waits = asyncio.get_running_loop(), []
    for number in range(1, 6):
        began = loop.time()
        await office.inbox.accept(text(number, "hello"))
        await office.answers(number + 1)
        waits.append(loop.time() - began)
    assert sorted(waits)[2] < 0.25  # the net below the wake-ups is a second wide


async def test_rasas_own_clock_ends_no_session(sessions: SessionStore) -> None:
    """It counts from the customer's last text; ours counts from the last message either way."""
    domain = Domain.from_yaml(
        'version: "3.1"\nsession_config: {session_expiration_time: 1440,'
        " carry_over_slots_to_new_session: true}\n"
    )
    FailSafeTrackerStore(sessions).domain = domain  # as Rasa hands it over
    assert not domain.session_config.are_sessions_enabled()
    assert not domain.session_config.carry_over_slots


class TestWhatAnAnswerLeavesOpen:
    """The rest of a long answer, and choices, are kept with the session."""

    async def test_more_brings_the_rest_without_asking_anybody(self, office: Office) -> None:
        office.worker.start()
        await office.inbox.accept(text(1, f"Say it all: {'This is a sentence. ' * 40}"))
        [first] = await office.answers(1)
        assert first.endswith("\nReply MORE for the rest.")
        await office.inbox.accept(text(2, "More!"))
        rest = (await office.answers(2))[1]
        assert "MORE" not in rest
        assert (first.partition("\nReply")[0] + " " + rest).count("This is a sentence.") == 40
        assert len(office.assistant.heard) == 1
        assert [e["metadata"].get("outcome") for e in await office.events("bot")][1] == "more"  # type: ignore[attr-defined]
        await office.inbox.accept(text(3, "more"))
        assert (await office.answers(3))[2] == "That was all."
        await office.inbox.accept(text(4, "thanks"))
        await office.inbox.accept(text(5, "more"))
        await office.answers(4)
        assert office.assistant.heard[1:] in (["thanks\nmore"], ["thanks", "more"])

    async def test_it_lives_and_ends_with_the_session(self, office: Office) -> None:
        office.worker.start()
        await office.inbox.accept(text(1, "This is a sentence. " * 40))
        await office.answers(1)
        session = keys.session(await office.conversation())
        assert "rest" in (await office.store.field(session, "left_open") or "")
        assert 86_395 <= await office.store.client.ttl(session) <= 86_400
        await office.store.client.delete(session, keys.events(await office.conversation()))
        await office.inbox.accept(text(2, "MORE"))
        assert (await office.answers(2))[1] == "You said: MORE"

    async def test_a_crash_before_the_commit_changes_nothing(self, office: Office) -> None:
        """The text is asked for again, and the rest is still there."""
        await office.inbox.accept(text(1, "This is a sentence. " * 40))
        office.worker.start()
        await office.answers(1)
        await office.worker.stop()
        lane = Lane(office.store, "inbox", 50, lease_seconds=0.05)
        await office.inbox.accept(text(2, "MORE"))
        slow = await claim(lane)
        await asyncio.sleep(0.06)  # the lease is a time: only time ends it
        stale = Turn.of(slow, Assistants.load())
        kept = await office.store.field(keys.session(slow.conversation), "left_open")
        stale.left_open = LeftOpen.read(kept)
        await claim(lane)
        with pytest.raises(LeaseLost):
            await office.assistant.sessions.tell_more(stale)
        assert await office.store.field(keys.session(slow.conversation), "left_open") == kept

    async def test_an_apology_instead_of_the_rest_does_not_lose_it(self, office: Office) -> None:
        halves = claim_of(text(1, "more"))
        turn = Turn.of(halves, Assistants.load())
        turn.left_open = LeftOpen("the rest")
        turn.reply.texts.append(SORRY)
        assert turn.leaves_open() == LeftOpen("the rest")

    async def test_the_number_of_a_choice_is_the_choice(self, office: Office) -> None:
        office.assistant.buttons = [
            {"title": "Tune-up", "payload": '/book{"what": "tune-up"}'},
            {"title": "Something else", "payload": "I need something else"},
        ]
        office.worker.start()
        await office.inbox.accept(text(1, "hi"))
        assert (await office.answers(1))[0] == "You said: hi\n1. Tune-up\n2. Something else"
        await office.inbox.accept(text(2, "1."))
        await office.answers(2)
        await office.inbox.accept(text(3, "2"))
        await office.answers(3)
        assert office.assistant.heard == ["hi", "Tune-up", "I need something else"]
        assert office.assistant.understood[1]["intent"]["name"] == "book"
        assert office.assistant.understood[1]["entities"][0]["value"] == "tune-up"
        assert (await office.events("user"))[1]["metadata"]["texts"][0]["body"] == "1."  # type: ignore[index]

    async def test_a_number_without_a_choice_is_a_number(self, office: Office) -> None:
        office.worker.start()
        await office.inbox.accept(text(1, "2"))
        assert await office.answers(1) == ["You said: 2"]


async def test_a_card_number_is_kept_nowhere(office: Office) -> None:
    """Not in the inbox, the log, the tracker or the outbox."""
    await office.inbox.accept(text(1, "My card is 4242 4242 4242 4242, code 12/27 123"))
    await office.inbox.accept(text(2, "and my SSN 123-45-6789"))
    assert "4242" not in await dumped(office.store)
    office.worker.start()
    await office.answers(1)
    everything = await dumped(office.store)
    assert "4242" not in everything
    assert "6789" not in everything
    assert "[card number]" in office.assistant.heard[0]
    assert "[social security number]" in office.assistant.heard[0]


async def test_a_card_number_in_two_texts_does_not_reach_the_assistant() -> None:
    halves = claim_of(text(1, "my card: 5555 5555"), text(2, "5555 4444"))
    turn = Turn.of(halves, Assistants.load())
    assert turn.message().text == "my card: [card number]"


async def dumped(store: Store) -> str:
    """Whatever Redis holds, as text."""
    client: Any = store.client
    read = {
        "string": client.get,
        "hash": client.hgetall,
        "list": lambda key: client.lrange(key, 0, -1),
        "zset": lambda key: client.zrange(key, 0, -1),
        "stream": client.xrange,
    }
    return str([(key, await read[await client.type(key)](key)) async for key in client.scan_iter()])


def test_many_texts_are_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at fifty long texts holds up everybody else's."""
    looked: list[str] = []

    def look(words: str) -> str:
        looked.append(words)
        return words

    monkeypatch.setattr(turn_room, "without_secrets", look)
    items = [f"1 s1 {json.dumps(asdict(text(n, f'{n} ' * 500)))}" for n in range(50)]
    turn = Turn.of(Claim("c", 1, 1, tuple(items)), LiveAssistants().now)
    turn.left_open = LeftOpen(rest="There is more.")
    turn.message()
    turn.leaves_open()
    assert len(looked) == 1
