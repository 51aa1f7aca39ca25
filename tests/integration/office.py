"""An inbox on a real Valkey, a Rasa that answers in one line, and a worker between them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import async_timeout
from rasa.core.channels.channel import UserMessage
from rasa.shared.core.events import ActionExecuted, BotUttered, ConversationPaused, UserUttered

from connectors import keys
from connectors.assistants import LiveAssistants
from connectors.ids import conversation_id
from connectors.inbox import Inbox
from connectors.lanes import Claim, Lane
from connectors.session_store import SessionStore
from connectors.store import Store
from connectors.turn import Turn, TurnRunner
from connectors.wire import InboundText
from connectors.worker import Worker

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
                message.sender_id, {"text": f"You said: {message.text}", "buttons": self.buttons}
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


def office_of(store: Store, sessions: SessionStore, settle_ms: int = 0) -> Office:
    assistant = Assistant(sessions)
    inbox = Inbox(store, settle_ms=settle_ms, session_seconds=lambda number: 86_400)

    async def apologise(turn: Turn, reason: str) -> None:
        await sessions.apologise(turn, SORRY, reason)

    runner = TurnRunner(
        assistant.handle, apologise, sessions.tell_more, sessions.windows.read, LiveAssistants()
    )
    # A second try comes sooner than in life: what it comes to is what counts here.
    worker = Worker(inbox.lane, runner.handle, concurrency=8, longest_wait=0.2)
    return Office(store, inbox, assistant, worker)


async def claim(lane: Lane) -> Claim:
    found = await lane.claim()
    assert isinstance(found, Claim)
    return found


def claim_of(*texts: InboundText) -> Claim:
    items = tuple(f"1700000000000 SESSION {json.dumps(t.__dict__)}" for t in texts)
    return Claim("c", 1, 1, items)
