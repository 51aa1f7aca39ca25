"""Handing over: a person answers instead of the assistant, and gives the conversation back.

The turn in which the model or the customer asks for a person pauses the tracker and is committed
with a mark (lua/commit.lua). From then on texts are accepted and committed as ever, and the
assistant says nothing. An operator takes the conversation, answers, and gives it back. A customer
who waits longer than the assistant's file allows gets the assistant back, and a sentence.

In the session's hash: `desk` (waiting, held or, once that is over, back), `desk_by` (who holds it),
`desk_since` and `desk_reason`; all of it ends with the session. Every step is atomic and on record.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from connectors import keys
from connectors.assistant import Assistant
from connectors.assistants import LiveAssistants
from connectors.errors import HeldByAnother, NotHeld, SessionOver, StoreUnavailable
from connectors.gatekeeper import Gatekeeper
from connectors.lanes import Lane
from connectors.layout import Style, lay_out, prepared
from connectors.part import Part
from connectors.session_life import session_keys
from connectors.store import Store, unavailable_is_named
from connectors.transcript import lines_of
from connectors.turn_record import turn_record

log = structlog.get_logger(__name__)

WAITING, HELD, BACK = "waiting", "held", "back"
LOOK_AGAIN_SECONDS = 2.0
TIME_LIMIT = "nobody answered in time"
_OVER = "the session ended; its customer has to text again before anybody can answer"


@dataclass(frozen=True)
class HandedOver:
    """A conversation that is not the assistant's now. Times are milliseconds since 1970.

    `due_ms` is when the customer gets the assistant back; None: nobody waits for an answer.
    """

    conversation: str
    session: str
    assistant: str
    state: str  # WAITING or HELD
    operator: str
    reason: str
    since_ms: int
    due_ms: int | None


class HandOver:
    """What operators, and the time limit, do to conversations.

    `session_seconds` is how long a session lasts where its assistant does not say. Steps raise
    StoreUnavailable; SessionOver when there is no such session any more; HeldByAnother and NotHeld;
    answer raises NotAllowed when the gate would not let it leave.
    """

    def __init__(
        self,
        store: Store,
        assistants: LiveAssistants,
        session_seconds: int,
        gatekeeper: Gatekeeper | None = None,
    ) -> None:
        self.store = store
        self.gatekeeper = gatekeeper or Gatekeeper(store)
        self.assistants = assistants
        self.session_seconds = session_seconds
        self.outbox = Lane(store, "outbox", batch=1)

    async def all(self) -> list[HandedOver]:
        """Those that wait or are held, the most urgent first."""
        with unavailable_is_named():
            listed = await self.store.client.zrange(keys.DESK, 0, -1, withscores=True)
        found = [await self._read(conversation, due) for conversation, due in listed]
        return [each for each in found if each]

    async def state(self, conversation: str) -> HandedOver | None:
        """None: the assistant has it, or there is no live session."""
        with unavailable_is_named():
            due = await self.store.client.zscore(keys.DESK, conversation)
        return None if due is None else await self._read(conversation, due)

    async def take(self, conversation: str, session: str, operator: str) -> None:
        """The operator answers from now on. Taking what one holds already changes nothing."""
        assistant = await self._assistant(conversation)
        told = {
            "session": session,
            "operator": operator,
            "wait_ms": assistant.hand_over_minutes * 60_000,
            "pause": json.dumps(_event("pause")),
        }
        holder = await self.store.step(
            "take", [*session_keys(conversation), keys.DESK], [conversation, json.dumps(told)]
        )
        if holder == "":
            raise SessionOver(_OVER)
        if holder != operator:
            raise HeldByAnother(holder)
        log.info("handover.taken", conversation=conversation)

    async def answer(self, conversation: str, session: str, operator: str, text: str) -> list[str]:
        """Send a text to the customer as the business; the ids of its parts. Raises ValueError."""
        if not text.strip():
            raise ValueError("there is nothing to send")
        await self.gatekeeper.admit(conversation, "operator", operator)
        metadata = {"outcome": "operator", "operator": operator}
        return await self._say(conversation, session, operator, text, metadata)

    async def give_back(self, conversation: str, session: str, operator: str) -> None:
        """The assistant answers again, and says so."""
        assistant = await self._assistant(conversation)
        sentence, metadata = assistant.texts.handed_back, {"outcome": "handed_back"}
        await self._say(conversation, session, operator, sentence, metadata, back=operator)
        log.info("handover.released", conversation=conversation, reason="given back")

    async def sweep(self) -> None:
        """Give back what has waited too long, and forget what ended meanwhile."""
        for each in await self.all():
            if each.due_ms is not None and each.due_ms <= time.time() * 1000:
                await self._time_is_up(each)

    async def run(self) -> None:
        """Sweep until cancelled. Any number of processes may."""
        while True:
            try:
                await self.sweep()
            except StoreUnavailable as error:
                log.warning("handover.not_swept", reason=str(error))
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def _time_is_up(self, each: HandedOver) -> None:
        sentence = self.assistants.now.named(each.assistant).texts.nobody_free
        metadata = {"outcome": "handed_back", "reason": TIME_LIMIT}
        try:
            await self._say(
                each.conversation, each.session, "", sentence, metadata, back=TIME_LIMIT
            )
        except (SessionOver, NotHeld):
            return  # somebody was faster
        log.info("handover.released", conversation=each.conversation, reason=TIME_LIMIT)

    async def _say(
        self,
        conversation: str,
        session: str,
        operator: str,
        text: str,
        metadata: dict[str, Any],
        back: str = "",
    ) -> list[str]:
        """One step: the text to the outbox, its event to the tracker, and on record."""
        with unavailable_is_named():
            business, customer, assistant_id = await self.store.client.hmget(
                keys.session(conversation), "business", "customer", "assistant"
            )
        assistant = self.assistants.now.named(assistant_id)
        messages = _messages(text, assistant)
        to = (conversation, session, business or "", customer or "")
        parts = [Part.new(*to, body) for body in messages]
        events = [_event("bot", text="\n".join(messages), data={}, metadata=metadata)]
        if back:
            events = [_event("resume"), *events, _listening()]
        lines = lines_of(events)
        told = {
            "session": session,
            "operator": operator,
            "back": back,
            "seconds": assistant.session_seconds or self.session_seconds,
            "events": len(events),
            "lines": len(lines),
            "outbox_wake": self.outbox.wake,
        }
        record = turn_record(parts, events=events, assistant=assistant.id)
        written = [*map(json.dumps, events), *lines, *(part.write() for part in parts)]
        await self._step(conversation, [json.dumps(told), json.dumps(record), *written])
        return [part.id for part in parts]

    async def _step(self, conversation: str, arguments: Sequence[str]) -> None:
        outbox = self.outbox
        names = [*session_keys(conversation), keys.DESK, outbox.items(conversation), outbox.due]
        answer = await self.store.step("desk", names, [conversation, *arguments])
        if answer < 0:
            raise SessionOver(_OVER)
        if not answer:
            raise NotHeld("take the conversation first: somebody else has it, or the assistant")

    async def _assistant(self, conversation: str) -> Assistant:
        name = await self.store.field(keys.session(conversation), "assistant")
        return self.assistants.now.named(name)

    async def _read(self, conversation: str, due: float) -> HandedOver | None:
        names = ("id", "assistant", "desk", "desk_by", "desk_reason", "desk_since")
        with unavailable_is_named():
            read = await self.store.client.hmget(keys.session(conversation), *names)
            session, assistant, state, by, reason, since = (value or "" for value in read)
            if state in ("", BACK):
                # The session ended, and with it whatever was waited for.
                await self.store.client.zrem(keys.DESK, conversation)
                return None
        due_ms = None if due == float("inf") else int(due)
        return HandedOver(
            conversation, session, assistant, state, by, reason, int(since or 0), due_ms
        )


def _messages(text: str, assistant: Assistant) -> Sequence[str]:
    """As long as it needs to be: a person knows what they write."""
    style = Style(segments=0, emoji=True)
    return lay_out([prepared(text, style)], style).messages


def _event(kind: str, **more: Any) -> dict[str, Any]:
    """As Rasa writes its own; it reads these with the tracker."""
    return {"event": kind, "timestamp": time.time(), **more}


def _listening() -> dict[str, Any]:
    """Rasa left off in the middle of a turn when it was paused; now the customer is next."""
    return _event("action", name="action_listen", policy=None, confidence=None)
