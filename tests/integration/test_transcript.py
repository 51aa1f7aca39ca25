"""What the model knows of a long session, and what it costs: on a real Valkey."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import (
    ActionExecuted,
    BotUttered,
    Event,
    Restarted,
    UserUtteranceReverted,
    UserUttered,
)
from rasa.shared.core.trackers import EventVerbosity
from rasa_sdk import Tracker

from actions.conversation import conversation
from actions.memory import Known, Memory
from actions.summary import Summarizer
from connectors import keys
from connectors.assistant import Assistant
from connectors.lanes import Claim
from connectors.session_life import session_keys
from connectors.session_store import SessionStore
from connectors.settings import Settings
from connectors.store import Store
from tests.fakes.model import Fails, FakeModel, Says
from tests.log import log_of

pytestmark = pytest.mark.integration

ASSISTANT = Assistant(id="shop", name="Shop", prompt="You are a shop.", history_tokens=600)
LISTEN = ActionExecuted("action_listen")


@dataclass
class Session:
    """One conversation, as Rasa and the action server see it in turn."""

    sessions: SessionStore
    memory: Memory
    id: str = "c"

    async def turn(self, text: str, *more: Event) -> Known:
        """A text comes, the action server is asked what it knows, and the answer is committed."""
        tracker = await self.sessions.get_or_create_tracker(self.id, append_action_listen=False)
        tracker.update(UserUttered(text))
        known = await self.memory.of(sent(tracker), ASSISTANT)
        for event in (*more, BotUttered(f"Answer to {text}"), LISTEN):
            tracker.update(event)
        await self.sessions.save(tracker)
        return known

    async def summary(self) -> str | None:
        return await self.sessions.store.field(keys.session(self.id), "summary")


def sent(tracker: Any) -> Tracker:
    """The tracker as the action server gets it."""
    return Tracker.from_dict(tracker.current_state(EventVerbosity.ALL))


def heard(known: Known) -> list[str]:
    return [said["content"] for said in conversation(known.events)]


@pytest.fixture
async def session(
    store: Store, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Session]:
    monkeypatch.setenv("REDIS_URL", valkey_url)
    sessions = SessionStore(Domain.empty())
    yield Session(sessions, Memory(store))
    await sessions.store.close()


@pytest.fixture
async def model() -> AsyncIterator[FakeModel]:
    async with FakeModel() as model:
        yield model


@pytest.fixture
async def summarizer(store: Store, model: FakeModel) -> AsyncIterator[Summarizer]:
    settings = Settings.load({"LLM_BASE_URL": model.base_url})
    summarizer = Summarizer(store, settings, lambda name: ASSISTANT)
    yield summarizer
    await summarizer.close()


async def summarize(summarizer: Summarizer, memory: Memory) -> Claim:
    await memory.ask_for_summary("c")
    claim = await summarizer.lane.claim()
    assert isinstance(claim, Claim)
    await summarizer.handle(claim)
    return claim


async def test_the_model_knows_more_than_rasa_sees(session: Session) -> None:
    for number in range(20):
        await session.turn(str(number))
    known = await session.turn("what was the first?")
    assert heard(known)[0] == "0"
    assert heard(known)[-1] == "what was the first?"
    assert len(heard(known)) == 41
    window = await session.sessions.retrieve("c")
    assert window is not None
    assert "0" not in [getattr(event, "text", "") for event in window.events]


async def test_a_turn_that_is_tried_again_is_read_once(session: Session) -> None:
    await session.turn("hello")
    for _ in range(2):  # the first try came to no commit
        tracker = await session.sessions.get_or_create_tracker("c")
        tracker.update(UserUttered("and now?"))
        known = await session.memory.of(sent(tracker), ASSISTANT)
        assert heard(known) == ["hello", "Answer to hello", "and now?"]


async def test_what_is_read_has_an_end(session: Session) -> None:
    for number in range(60):
        known = await session.turn(f"{number:03}" + "." * 97)
    assert len("".join(heard(known)).encode()) < ASSISTANT.history_tokens * 3 + 200
    assert heard(known)[-1].startswith("059")
    assert known.nearly_full


async def test_an_answer_longer_than_the_room_is_still_read(session: Session) -> None:
    await session.turn("hello")
    await session.turn("x" * 3000)
    assert heard(await session.turn("and?"))[-1] == "and?"


async def test_steps_back_and_fresh_starts_count(session: Session) -> None:
    await session.turn("forget me")
    await session.turn("and me", UserUtteranceReverted())
    assert heard(await session.turn("third"))[0] == "forget me"
    await session.turn("fresh", Restarted())
    assert "forget me" not in heard(await session.turn("who am I?"))


async def test_without_redis_the_model_knows_what_rasa_sees(session: Session) -> None:
    tracker = await session.sessions.get_or_create_tracker("c")
    tracker.update(UserUttered("hello"))
    gone = Memory(Store.connect("redis://127.0.0.1:1/0"))
    assert heard(await gone.of(sent(tracker), ASSISTANT)) == ["hello"]


class TestSummary:
    async def fill(self, session: Session) -> Known:
        known = Known([])
        while not known.nearly_full:
            known = await session.turn("my dog is called Rex" + "." * 60)
        return known

    async def test_takes_the_place_of_the_oldest_part(
        self, session: Session, summarizer: Summarizer, model: FakeModel, store: Store
    ) -> None:
        await session.turn("my name is Ada")
        await self.fill(session)
        model.answers("Ada has a dog, Rex.")
        await store.client.expire(keys.session("c"), 500)
        await summarize(summarizer, session.memory)
        assert "Customer: my name is Ada" in model.last_messages[-1]["content"]
        assert await store.client.ttl(keys.session("c")) <= 500  # nobody said anything
        known = await session.turn("what is my name?")
        assert known.summary == "Ada has a dog, Rex."
        assert not known.nearly_full
        assert "my name is Ada" not in "".join(heard(known))
        assert heard(known)[0].startswith("my dog")
        [record] = [r for r in await log_of(store) if r["kind"] == "summary"]
        assert record["data"]["text"] == "Ada has a dog, Rex."
        assert record["data"]["attempts"][0]["outcome"] == "answered"
        assert len(record["data"]["attempts"][0]["prompts"]) == 1

    async def test_grows_from_the_one_before(
        self, session: Session, summarizer: Summarizer, model: FakeModel
    ) -> None:
        for number in range(3):
            await self.fill(session)
            model.answers(f"Summary {number}.")
            await summarize(summarizer, session.memory)
        assert len(model.requests) == 3
        asked = model.last_messages[-1]["content"]
        assert "Summary 1." in asked
        assert "Summary 0." not in asked
        assert len(asked) < ASSISTANT.history_tokens * 3
        assert await session.summary() == "Summary 2."

    async def test_that_cannot_be_made_is_left_to_the_next_turn(
        self, session: Session, summarizer: Summarizer, model: FakeModel, store: Store
    ) -> None:
        before = await self.fill(session)
        model.script = [Fails(400), Says("At last.")]
        await summarize(summarizer, session.memory)
        assert await session.summary() is None
        assert not isinstance(await summarizer.lane.claim(), Claim)  # and nobody tries for ever
        assert heard(await session.turn("hm"))[:3] == heard(before)[:3]
        await summarize(summarizer, session.memory)
        assert await session.summary() == "At last."

    async def test_of_a_maker_that_died_is_made_by_another(
        self, session: Session, summarizer: Summarizer, model: FakeModel, store: Store
    ) -> None:
        await self.fill(session)
        model.answers("Once.")
        await session.memory.ask_for_summary("c")
        await session.memory.ask_for_summary("c")  # by the next turn
        summarizer.lane.lease_seconds = 0.05
        assert isinstance(await summarizer.lane.claim(), Claim)
        await asyncio.sleep(0.06)  # the lease is a time: only time ends it
        claim = await summarizer.lane.claim()
        assert isinstance(claim, Claim)
        await summarizer.handle(claim)
        assert await session.summary() == "Once."
        assert not isinstance(await summarizer.lane.claim(), Claim)

    async def test_ends_with_its_session(
        self, session: Session, summarizer: Summarizer, model: FakeModel, store: Store
    ) -> None:
        await self.fill(session)
        model.answers("Old.")
        await summarize(summarizer, session.memory)
        await self.fill(session)
        await session.memory.ask_for_summary("c")
        await store.client.delete(*session_keys("c")[:3])  # its time is up
        claim = await summarizer.lane.claim()
        assert isinstance(claim, Claim)
        await summarizer.handle(claim)
        assert not await store.client.exists(*session_keys("c")[:3])
        known = await session.turn("hello again")
        assert (known.summary, heard(known)) == ("", ["hello again"])

    async def test_is_forgotten_at_a_fresh_start(
        self, session: Session, summarizer: Summarizer, model: FakeModel
    ) -> None:
        await self.fill(session)
        model.answers("Ada has a dog, Rex.")
        await summarize(summarizer, session.memory)
        await session.turn("start again", Restarted())
        assert (await session.turn("who am I?")).summary == ""

    async def test_may_be_switched_off(
        self, store: Store, session: Session, model: FakeModel, summarizer: Summarizer
    ) -> None:
        summarizer.named = lambda name: replace(ASSISTANT, summary_tokens=0)
        await self.fill(session)
        await summarize(summarizer, session.memory)
        assert model.requests == []
        assert not (await session.turn("and now?")).nearly_full
