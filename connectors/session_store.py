"""The session store: Rasa's tracker store, and the commit of a turn.

A session is a hash and a list of events in Redis, which end together (see session_life). Rasa gets
a window of it (see window). A save appends what is new; the save of a turn is the commit (see
commit).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import structlog
from rasa.core.tracker_store import TrackerStore
from rasa.shared.core.domain import Domain, SessionConfig
from rasa.shared.core.events import ActionExecuted, BotUttered, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker

from connectors import keys, rasa_patches, rasa_speed
from connectors.commit import OVER, Commit, Commits
from connectors.dead_letters import DeadLetter
from connectors.errors import NothingToSay, SessionOver, StoreUnavailable
from connectors.follow_up import follow_up_of
from connectors.handover import HELD, WAITING
from connectors.layout import prepared
from connectors.outbox import Outbox
from connectors.part import Part
from connectors.settings import Settings
from connectors.store import Store, unavailable_is_named
from connectors.turn import Turn, current_turn
from connectors.twilio_api import SentMessage
from connectors.window import WINDOW_TURNS, Place, Windows, obey

log = structlog.get_logger(__name__)


class SessionStore(TrackerStore):
    """Keeps trackers in Redis for SESSION_TTL_SECONDS after the last message.

    endpoints.yml: `tracker_store: {type: connectors.session_store.SessionStore}`. It reads the
    same settings as everything else. Its one option is `window_turns`: how many turns Rasa gets to
    see at least, when policies of yours look further back than five.
    """

    def __init__(
        self,
        domain: Any = None,
        event_broker: Any = None,
        host: None = None,
        window_turns: int = WINDOW_TURNS,
        **options: Any,
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
        self.store = Store.connect(settings.redis_url)
        self.outbox = Outbox(self.store)
        self.windows = Windows(self.store, window_turns)
        self.commits = Commits(
            self.store, seconds=settings.session_ttl_seconds, settle_ms=settings.reply_settle_ms
        )

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
        """The live session's last turns (see window), or None. Reading does not renew the session.

        Raises SessionOver in a turn whose texts came in a session that has ended.
        """
        turn = _turn_of(sender_id)
        window = turn.take_window() if turn else None
        window = window or await self.windows.read(sender_id)
        if turn and turn.session != window.session:
            raise SessionOver(OVER)
        tracker = await self.windows.tracker(window, sender_id, self.domain)
        if turn and tracker:
            obey(tracker, window.desk)
        return tracker

    async def retrieve_full_tracker(self, conversation_id: str) -> DialogueStateTracker | None:
        """All of the live session, or None."""
        window = await self.windows.read(conversation_id, whole=True)
        return await self.windows.tracker(window, conversation_id, self.domain)

    async def create_tracker(
        self, sender_id: str, append_action_listen: bool = True
    ) -> DialogueStateTracker:
        """A fresh tracker. Nothing is written for it until something is said."""
        tracker = self.init_tracker(sender_id)
        if append_action_listen:
            tracker.update(ActionExecuted("action_listen"))
        Place(session="", stored=0, since=0).keep_on(tracker)
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
        comes too late: its texts were taken out, and nobody is answered; and for a follow-up that
        does: nothing was written.
        """
        turn = _turn_of(tracker.sender_id)
        if turn and turn.failed_actions:
            raise NothingToSay(f"{', '.join(turn.failed_actions)} failed; see the log above")
        if turn and not turn.reply.texts and not tracker.is_paused():
            raise NothingToSay("the turn ended without a reply")
        # A tracker that we did not hand out replaces what is stored.
        place = Place.of(tracker) or Place("", 0, 0)
        new = list(tracker.events)[place.stored :]
        if new or turn:
            taken = self.windows.next_snapshot(tracker, place.since)
            await self.commits.write(
                Commit(
                    tracker.sender_id,
                    turn.session if turn else place.session,
                    new,
                    turn,
                    follow_up=None if turn else follow_up_of(tracker.sender_id),
                    replace=Place.of(tracker) is None,
                    snapshot=taken,
                )
            )
            stored = len(tracker.events)
            Place(place.session, stored, stored if taken else place.since).keep_on(tracker)
        if self.event_broker:
            await self._stream_new_events(self.event_broker, new, tracker.sender_id)

    async def apologise(self, turn: Turn, sentence: str, reason: str) -> None:
        """Commit a plain sentence as the answer to a turn that Rasa could not finish.

        Nothing is said where a person answers: to them the text is there all the same.
        """
        desk = await self.store.field(keys.session(turn.conversation), "desk")
        is_ours = desk not in (WAITING, HELD)
        turn.reply.texts[:] = [prepared(sentence, turn.reply.style)] if is_ours else []
        turn.reply.choices.clear()
        turn.tells_more = False
        letter = DeadLetter.new(turn.conversation, reason, turn.claim.items)
        await self._answer(turn, {"outcome": "apology", "reason": reason}, letter)

    async def tell_more(self, turn: Turn) -> None:
        """Commit the rest of the last answer as the answer to a turn that asked for it."""
        turn.reply.texts[:] = [turn.left_open.rest or turn.reply.style.no_more]
        turn.tells_more = True
        await self._answer(turn, {"outcome": "more"})

    async def recover(self, turn: Turn, said: Sequence[SentMessage], why_unsure: str) -> None:
        """Commit a turn that was answered before a failover, by these messages.

        Nothing is sent, unless some of its texts may be unanswered: then a plain sentence is.
        """
        sorry = [prepared(turn.assistant.texts.apology, turn.reply.style)]
        turn.reply.texts[:] = sorry if why_unsure else []
        text = turn.texts[-1].text
        to = (turn.conversation, turn.session, text.business, text.customer)
        parts = [Part.new(*to, message.body, message.created_seconds) for message in said]
        letter = why_unsure and DeadLetter.new(turn.conversation, why_unsure, turn.claim.items)
        await self._answer(turn, {"outcome": "recovered"}, letter or None, parts)
        try:
            for part, message in zip(parts, said, strict=True):
                await self.outbox.know(part, message)
        except StoreUnavailable as error:  # the turn is committed all the same
            log.warning("failover.message_not_noted", reason=str(error))

    async def _answer(
        self,
        turn: Turn,
        metadata: dict[str, Any],
        letter: DeadLetter | None = None,
        sent: Sequence[Part] = (),
    ) -> None:
        """Commit what the turn's reply holds, or what was `sent` already, without Rasa."""
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
        ]
        said = [part.body for part in sent]
        said += turn.laid_out().messages if turn.reply.texts else ()
        if said:
            uttered = BotUttered("\n".join(said), metadata=metadata)
            events += [uttered, ActionExecuted("action_listen")]
        await self.commits.write(
            Commit(turn.conversation, turn.session, events, turn, letter=letter, sent=sent)
        )


def _turn_of(conversation: str) -> Turn | None:
    """The turn whose save this is: only the turn's own conversation, and only once."""
    turn = current_turn.get()
    return turn if turn and turn.conversation == conversation and not turn.committed else None
