"""The session store: Rasa's tracker store, and the commit of a turn.

A session is a hash and a list of events in Redis, both of which end together after the last
message. A save appends what is new. The save of a turn is the commit: see lua/commit.lua.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import structlog
from rasa.core.tracker_store import TrackerStore
from rasa.shared.core.domain import Domain, SessionConfig
from rasa.shared.core.events import ActionExecuted, BotUttered, Event, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker

from connectors import keys, rasa_patches, rasa_speed
from connectors.dead_letters import DeadLetter
from connectors.errors import NothingToSay, SessionOver
from connectors.ids import sortable_id
from connectors.inbox import SETTLE_AT_MOST_MS
from connectors.lanes import Lane, held
from connectors.layout import prepared
from connectors.part import Part
from connectors.segments import count
from connectors.session_life import session_keys
from connectors.settings import Settings
from connectors.store import Store, unavailable_is_named
from connectors.turn import Turn, current_turn

log = structlog.get_logger(__name__)

_STORED = "_events_in_store"  # on a tracker: how many of its events the store already has,
_SESSION = "_session"  # and the id of the session that they are of
OVER = "the session ended before its texts were answered"


class SessionStore(TrackerStore):
    """Keeps trackers in Redis for SESSION_TTL_SECONDS after the last message.

    endpoints.yml: `tracker_store: {type: connectors.session_store.SessionStore}`. It reads the
    same settings as everything else, so it takes no options.
    """

    def __init__(
        self, domain: Any = None, event_broker: Any = None, host: None = None, **options: Any
    ) -> None:
        super().__init__(domain, event_broker)
        self.domain = self._domain
        if host or options:
            log.warning("session_store.options_ignored", use="REDIS_URL in the environment or .env")
        settings = Settings.load()
        # Every Rasa process makes a tracker store, `rasa shell` too.
        rasa_patches.apply(settings.actions_port)
        if settings.rasa_speed_fixes:
            rasa_speed.apply()
        self.ttl_seconds = settings.session_ttl_seconds
        self.settle_ms = settings.reply_settle_ms
        self.store = Store.connect(settings.redis_url)
        self.inbox = Lane(self.store, "inbox", batch=1)
        self.outbox = Lane(self.store, "outbox", batch=1)

    @property
    def domain(self) -> Domain:
        return self._domain

    @domain.setter
    def domain(self, domain: Domain | None) -> None:
        """Rasa's own expiry is switched off: it counts from the customer's last text, ours from
        the last message either way, and between the two a session would be half forgotten."""
        self._domain = domain or Domain.empty()
        self._domain.session_config = SessionConfig(0, carry_over_slots=False)

    async def retrieve(self, sender_id: str) -> DialogueStateTracker | None:
        """The tracker of the live session, or None. Reading does not renew the session.

        Raises SessionOver in a turn whose texts came in a session that has ended.
        """
        with unavailable_is_named():
            async with self.store.client.pipeline(transaction=True) as reads:
                reads.hget(keys.session(sender_id), "id")
                reads.lrange(keys.events(sender_id), 0, -1)
                session, stored = await reads.execute()
        turn = _turn_of(sender_id)
        if turn and turn.session != session:
            raise SessionOver(OVER)
        if not stored:
            return None
        tracker = DialogueStateTracker.from_dict(
            sender_id, [json.loads(event) for event in stored], self.domain.slots
        )
        setattr(tracker, _STORED, len(tracker.events))
        setattr(tracker, _SESSION, session)
        return tracker

    async def create_tracker(
        self, sender_id: str, append_action_listen: bool = True
    ) -> DialogueStateTracker:
        """A fresh tracker. Nothing is written for it until something is said."""
        tracker = self.init_tracker(sender_id)
        if append_action_listen:
            tracker.update(ActionExecuted("action_listen"))
        setattr(tracker, _STORED, 0)
        return tracker

    async def exists(self, conversation_id: str) -> bool:
        with unavailable_is_named():
            return bool(await self.store.client.exists(keys.events(conversation_id)))

    async def keys(self) -> Iterable[str]:
        """The ids of the conversations with a live session."""
        with unavailable_is_named():
            return await self.store.client.zrange(keys.SESSION_ENDS, 0, -1)

    async def save(self, tracker: DialogueStateTracker) -> None:
        """Append what is new and renew the session; in a turn, commit it.

        Raises StoreUnavailable, LeaseLost, and NothingToSay for a turn that would leave the
        customer without an answer; then nothing was written. Raises SessionOver for a turn that
        comes too late: its texts were taken out, and nobody is answered.
        """
        turn = _turn_of(tracker.sender_id)
        if turn and turn.failed_actions:
            raise NothingToSay(f"{', '.join(turn.failed_actions)} failed; see the log above")
        if turn and not turn.reply.texts and not tracker.is_paused():
            raise NothingToSay("the turn ended without a reply")
        events = list(tracker.events)
        # A tracker that we did not hand out replaces what is stored.
        stored = getattr(tracker, _STORED, None)
        new = events[stored or 0 :]
        if new or turn:
            session = turn.session if turn else getattr(tracker, _SESSION, "")
            await self._write(tracker.sender_id, session, new, turn, replace=stored is None)
        setattr(tracker, _STORED, len(events))
        if self.event_broker:
            await self._stream_new_events(self.event_broker, new, tracker.sender_id)

    async def apologise(self, turn: Turn, sentence: str, reason: str) -> None:
        """Commit a plain sentence as the answer to a turn that Rasa could not finish."""
        turn.reply.texts[:] = [prepared(sentence, turn.reply.style)]
        turn.reply.choices.clear()
        letter = DeadLetter.new(turn.conversation, reason, turn.claim.items)
        await self._answer(turn, {"outcome": "apology", "reason": reason}, letter)

    async def tell_more(self, turn: Turn) -> None:
        """Commit the rest of the last answer as the answer to a turn that asked for it."""
        turn.reply.texts[:] = [turn.left_open.rest or turn.reply.style.no_more]
        await self._answer(turn, {"outcome": "more"})

    async def _answer(
        self, turn: Turn, metadata: dict[str, Any], letter: DeadLetter | None = None
    ) -> None:
        """Commit what the turn's reply holds, without Rasa."""
        message = turn.message()
        parse_data = message.parse_data or {"intent": {"name": "nlu_fallback"}, "entities": []}
        events = [
            UserUttered(
                message.text,
                parse_data["intent"],
                parse_data=parse_data,
                input_channel=message.input_channel,
                message_id=message.message_id,
                metadata=message.metadata,
            ),
            BotUttered("\n".join(turn.laid_out().messages), metadata=metadata),
            ActionExecuted("action_listen"),
        ]
        await self._write(turn.conversation, turn.session, events, turn, letter=letter)

    async def _write(
        self,
        conversation: str,
        session: str,
        events: Iterable[Event],
        turn: Turn | None,
        *,
        replace: bool = False,
        letter: DeadLetter | None = None,
    ) -> None:
        dumped = [event.as_dict() for event in events]
        parts = turn.parts() if turn else []
        what_to_do = {
            "fence": turn.claim.fence if turn else "",
            "texts": [(t.text.sid, t.session) for t in (*turn.late, *turn.texts)] if turn else [],
            "session": session,
            "ends": turn.ends if turn else "",
            "seconds": self.ttl_seconds,
            "id": sortable_id(),
            "business": turn.texts[0].text.business if turn else "",
            "customer": turn.texts[0].text.customer if turn else "",
            "assistant": turn.assistant.id if turn else "",
            "replace": replace,
            "events": len(dumped),
            "settle_ms": self.settle_ms,
            "settle_at_most_ms": SETTLE_AT_MOST_MS,
            "inbox_wake": self.inbox.wake,
            "outbox_wake": self.outbox.wake,
            "most_letters": keys.MOST_DEAD_LETTERS,
            "left_open": turn.leaves_open().write() if turn else "",
        }
        answer = await self.store.step(
            "commit",
            [
                *session_keys(conversation),
                self.inbox.items(conversation),
                self.inbox.due,
                self.inbox.leases,
                self.inbox.tries,
                self.outbox.items(conversation),
                self.outbox.due,
                keys.DEAD_LETTERS,
            ],
            [
                conversation,
                json.dumps(what_to_do),
                json.dumps(_record(dumped, turn, parts, letter)),
                letter.write() if letter else "",
                *map(json.dumps, dumped),
                *(part.write() for part in parts),
            ],
        )
        held(answer)
        if turn:
            turn.committed = True
        if answer < 0:
            raise SessionOver(OVER)


def _record(
    events: list[dict[str, Any]], turn: Turn | None, parts: list[Part], letter: DeadLetter | None
) -> dict[str, Any]:
    """What the session log shall know of a save; see session_log."""
    return {
        "texts": [waiting.text.sid for waiting in turn.texts] if turn else [],
        "events": events,
        "parts": [{"id": p.id, "body": p.body, **count(p.body)._asdict()} for p in parts],
        "assistant": turn.assistant.id if turn else "",
        "tries": turn.claim.tries if turn else 1,
        "seconds": round(turn.age_seconds, 3) if turn else 0,
        "failed": letter.reason if letter else "",
    }


def _turn_of(conversation: str) -> Turn | None:
    """The turn whose save this is: only the turn's own conversation, and only once."""
    turn = current_turn.get()
    return turn if turn and turn.conversation == conversation and not turn.committed else None
