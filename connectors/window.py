"""The window: the last turns of a session, behind a snapshot of what came before them.

Rasa rebuilds a tracker, and copies it several times a turn, from its events. Handing it all of them
would cost more with every turn, so every so many turns a snapshot is stored, and what Rasa gets is
the last but one with all events since.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rasa.shared.core.domain import Domain
from rasa.shared.core.events import (
    ActionExecuted,
    ActionReverted,
    ConversationPaused,
    ConversationResumed,
    Event,
    UserUtteranceReverted,
    UserUttered,
)
from rasa.shared.core.trackers import DialogueStateTracker

from connectors.handover import BACK, HELD, WAITING
from connectors.session_life import session_keys
from connectors.snapshot import snapshot
from connectors.store import Store

WINDOW_TURNS = 5
# Events that are no turns (the HTTP API can add any) must not make the window grow either.
_EVENTS_PER_TURN = 40
# Rasa's widest step back is two turns; with fewer left, only the whole session can tell.
_LEAST_TURNS = 2


@dataclass
class Place:
    """Where a tracker stands in what is stored; it is kept on the tracker itself.

    `stored`: so many of its events need not be stored any more; `since`: the index of the first
    one after the last snapshot.
    """

    session: str
    stored: int
    since: int

    @classmethod
    def of(cls, tracker: DialogueStateTracker) -> Place | None:
        """None for a tracker that did not come from here."""
        return getattr(tracker, "_place", None)

    def keep_on(self, tracker: DialogueStateTracker) -> None:
        tracker._place = self


@dataclass(frozen=True)
class Window:
    """What is kept of a live session, as it was read in one round trip; `session` is "" for none.

    `desk` and `left_open` are as in the session's hash (see handover and left_open). `behind` and
    `next_at` count the session's events before these, and before its last snapshot.
    """

    session: str
    desk: str
    left_open: str
    snapshot: str
    behind: int
    next_at: int
    events: Sequence[str]


class Windows:
    """Reads trackers. `turns` is how many a window has at least, twice that is the most."""

    def __init__(self, store: Store, turns: int) -> None:
        self.store = store
        self.turns = turns

    async def read(self, conversation: str, *, whole: bool = False) -> Window:
        """Raises StoreUnavailable."""
        answer = await self.store.step(
            "window", session_keys(conversation), [conversation, "1" if whole else "0"]
        )
        return Window(*answer)

    async def tracker(
        self, window: Window, conversation: str, domain: Domain
    ) -> DialogueStateTracker | None:
        """None if there are no events. Raises StoreUnavailable."""
        if not window.events:
            return None
        told: list[dict[str, Any]] = json.loads(window.snapshot) if window.snapshot else []
        dumped = [*told, *map(json.loads, window.events)]
        tracker = DialogueStateTracker.from_dict(conversation, dumped, domain.slots)
        if told and _goes_back_too_far(tracker, len(told)):
            whole = await self.read(conversation, whole=True)
            return await self.tracker(whole, conversation, domain)
        since = len(told) + window.next_at - window.behind
        Place(window.session, len(dumped), since).keep_on(tracker)
        return tracker

    def next_snapshot(self, tracker: DialogueStateTracker, since: int) -> list[Event]:
        """The snapshot to store with a tracker; [] while it is not time for one."""
        new = list(tracker.events)[since:]
        turns = sum(isinstance(event, UserUttered) for event in new)
        if turns < self.turns and len(new) < self.turns * _EVENTS_PER_TURN:
            return []
        return snapshot(tracker)


def _goes_back_too_far(tracker: DialogueStateTracker, told: int) -> bool:
    """Turns were taken back, into what the snapshot tells or so far that the next ones may."""
    events = list(tracker.events)
    if not any(isinstance(event, (UserUtteranceReverted, ActionReverted)) for event in events):
        return False
    applied = {id(event) for event in tracker.applied_events()}
    if any(id(event) not in applied for event in events[:told]):
        return True
    left = [e for e in events[told:] if isinstance(e, UserUttered) and id(e) in applied]
    return len(left) < _LEAST_TURNS


def obey(tracker: DialogueStateTracker, desk: str) -> None:
    """Pause or resume a tracker as `desk` has it.

    A turn that was under way while an operator took the conversation, or gave it back, may have
    stored its own idea of that as a snapshot; what the desk says counts.
    """
    if desk in (WAITING, HELD) and not tracker.is_paused():
        tracker.update(ConversationPaused())
    elif desk == BACK and tracker.is_paused():
        tracker.update(ConversationResumed())
        tracker.update(ActionExecuted("action_listen"))
