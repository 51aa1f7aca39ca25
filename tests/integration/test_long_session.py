"""A session of 1,000 messages: nothing of it is lost, and its last turn costs what the tenth did.

On a Valkey of its own, whose counters say what went over its wire.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActionExecuted, BotUttered, SlotSet, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker, EventVerbosity
from rasa_sdk import Tracker

from actions.conversation import conversation, fitted
from actions.memory import Known, Memory
from actions.prompt_log import PromptLog
from connectors import keys
from connectors.assistant import Assistant
from connectors.assistants import Assistants
from connectors.inbox import Inbox
from connectors.lanes import Claim
from connectors.session_store import SessionStore
from connectors.store import Store
from connectors.turn import Turn, current_turn
from tests.integration.office import text
from tests.log import log_of
from tests.valkey import Valkey

pytestmark = pytest.mark.integration

TURNS = 500  # a text and an answer each
ASSISTANT = Assistant(id="shop", name="Shop", prompt="You are a shop.", history_tokens=500)


@dataclass(frozen=True)
class Cost:
    """Of one turn, in bytes: written to Redis, read from it, and sent to the action server."""

    written: int
    read: int
    to_actions: int


@dataclass
class Line:
    """One customer, texting."""

    inbox: Inbox
    sessions: SessionStore
    memory: Memory
    prompts: PromptLog

    async def turn(self, number: int) -> Cost:
        before = await self.traffic()
        assert await self.inbox.accept(text(number, f"text {number:04}"))
        claim = await self.inbox.lane.claim()
        assert isinstance(claim, Claim)
        turn = Turn.of(claim, Assistants.of([ASSISTANT]))
        token = current_turn.set(turn)
        try:
            tracker = await self.sessions.get_or_create_tracker(turn.conversation)
            sent = await self.answer(turn, tracker, number)
        finally:
            current_turn.reset(token)
        after = await self.traffic()
        return Cost(after[0] - before[0], after[1] - before[1], sent)

    async def answer(self, turn: Turn, tracker: DialogueStateTracker, number: int) -> int:
        tracker.update(UserUttered(turn.words, metadata=turn.message().metadata))
        payload = tracker.current_state(EventVerbosity.ALL)
        known = await self.memory.of(Tracker.from_dict(payload), ASSISTANT)
        assert conversation(known.events)[-1]["content"] == turn.words
        assert known.session == turn.session
        await self.asks_a_model(turn, known)
        turn.reply.texts.append(f"answer {number:04}")
        for event in (
            SlotSet("last", f"{number:04}"),
            BotUttered(f"answer {number:04}"),
            ActionExecuted("action_listen"),
        ):
            tracker.update(event)
        await self.sessions.save(tracker)
        return len(json.dumps(payload))

    async def asks_a_model(self, turn: Turn, known: Known) -> None:
        """The prompt goes on record: the longer it is, the more of it is there already."""
        said = fitted(conversation(known.events), ASSISTANT.history_tokens)
        system = {"role": "system", "content": f"{ASSISTANT.prompt}\n" * 20}
        body = json.dumps({"messages": [system, *said], "max_tokens": 200}, separators=(",", ":"))
        prompts = self.prompts.of(turn.conversation, known.session)
        prompts.sent(body.encode(), {"rung": "model", "address": "http://127.0.0.1"})
        assert len(await prompts.kept()) == 1

    async def traffic(self) -> tuple[int, int]:
        info: Any = await self.inbox.store.client.info("stats")
        return info["total_net_input_bytes"], info["total_net_output_bytes"]


@pytest.fixture
async def line(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Line]:
    monkeypatch.setenv("REDIS_URL", valkey.url)
    monkeypatch.setenv("REPLY_SETTLE_MS", "0")
    domain = Domain.from_yaml(
        'version: "3.1"\nslots: {last: {type: text, mappings: [{type: custom}]}}\n'
    )
    store, sessions = Store.connect(valkey.url), SessionStore(domain)
    inbox = Inbox(store, settle_ms=0, session_seconds=lambda number: 86_400)
    yield Line(inbox, sessions, Memory(store), PromptLog(store))
    await sessions.store.close()
    await store.close()


@pytest.mark.filterwarnings("ignore::UserWarning")  # Rasa warns of every domain that has slots
async def test_a_session_of_1000_messages(line: Line) -> None:
    costs = [await line.turn(number) for number in range(TURNS)]

    [customer] = await line.sessions.keys()
    whole = await line.sessions.retrieve_full_tracker(customer)
    assert whole is not None
    said = [event.text for event in whole.events if isinstance(event, (UserUttered, BotUttered))]
    expected = [f"{kind} {n:04}" for n in range(TURNS) for kind in ("text", "answer")]
    assert said == expected
    turns = [
        record["data"] for record in await log_of(line.inbox.store) if record["kind"] == "turn"
    ]
    logged = [e["text"] for turn in turns for e in turn["events"] if e["event"] in ("user", "bot")]
    assert logged == expected
    assert {turn["texts"][0] for turn in turns} == {text(n, "").sid for n in range(TURNS)}

    # Windows and snapshots come and go every few turns, so whole stretches are compared.
    early, late = mean(costs[10:40]), mean(costs[-30:])
    print(f"\nbytes a turn, turns 10 to 40 and the last 30: {early}, {late}")
    assert late.written <= early.written * 1.2
    assert late.to_actions <= early.to_actions * 1.2
    full = mean(costs[100:130])  # the model's room is full from here on
    assert late.read <= full.read * 1.2
    assert await line.inbox.store.client.llen(keys.events(customer)) == len(whole.events)
    window = await line.sessions.retrieve(customer)
    assert window is not None
    assert window.get_slot("last") == f"{TURNS - 1:04}"


def mean(costs: list[Cost]) -> Cost:
    def of(name: str) -> int:
        return int(sum(getattr(cost, name) for cost in costs) / len(costs))

    return Cost(of("written"), of("read"), of("to_actions"))
