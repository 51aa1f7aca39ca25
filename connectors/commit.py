"""The commit: what a turn, or any save of Rasa's, writes in one atomic step (lua/commit.lua)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rasa.shared.core.events import BotUttered, Event

from connectors import keys
from connectors.dead_letters import DeadLetter
from connectors.errors import SessionOver, Stopped
from connectors.follow_up import FollowUp
from connectors.ids import sortable_id
from connectors.inbox import SETTLE_AT_MOST_MS
from connectors.lanes import Lane, held
from connectors.part import OPTED_OUT, Part
from connectors.session_life import session_keys
from connectors.store import Store
from connectors.transcript import lines_of
from connectors.turn import Turn
from connectors.turn_record import turn_record

MODEL = "model"  # how it is known that somebody is out: they said so, in words of their own
OVER = "the session ended before its texts were answered"
STOPPED = "the customer opted out before the answer was made: nothing is sent"
_STOPPED = -2


@dataclass(frozen=True)
class Commit:
    """What is to be written. `turn` is None outside SMS; `session` is "" for a new one.

    `replace`: the events are all there are, and not those that are new. `snapshot`: to be stored
    behind the events, if not empty. `follow_up` is said without a text, in its own session only.
    `sent` are parts that Twilio has already: they go on record, and not to the outbox.
    """

    conversation: str
    session: str
    events: Sequence[Event]
    turn: Turn | None
    replace: bool = False
    snapshot: Sequence[Event] = ()
    letter: DeadLetter | None = None
    follow_up: FollowUp | None = None
    sent: Sequence[Part] = ()


class Commits:
    """Writes them. `seconds` is how long a session lasts; `settle_ms` as in the inbox."""

    def __init__(self, store: Store, *, seconds: int, settle_ms: int) -> None:
        self.store = store
        self.seconds = seconds
        self.settle_ms = settle_ms
        self.inbox = Lane(store, "inbox", batch=1)
        self.outbox = Lane(store, "outbox", batch=1)

    async def write(self, commit: Commit) -> None:
        """Raises StoreUnavailable and LeaseLost: nothing was written, or it is not known.

        Raises SessionOver for a turn whose session has ended: its texts were taken out; and for a
        follow-up, of which then nothing was written.
        """
        turn, conversation = commit.turn, commit.conversation
        events = [event.as_dict() for event in commit.events]
        lines = lines_of(events)
        parts = _parts(commit)
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
                keys.DESK,
                keys.CONSENT,
            ],
            [
                conversation,
                _json(self._what_to_do(commit, len(lines))),
                _json(_record(commit, events, [*commit.sent, *parts])),
                commit.letter.write() if commit.letter else "",
                _json([event.as_dict() for event in commit.snapshot]) if commit.snapshot else "",
                *map(_json, events),
                *lines,
                *(part.write() for part in parts),
            ],
        )
        held(answer)
        if turn:
            turn.committed = True
        if answer < 0:
            raise Stopped(STOPPED) if answer == _STOPPED else SessionOver(OVER)

    def _what_to_do(self, commit: Commit, lines: int) -> dict[str, Any]:
        turn = commit.turn
        told = {
            "session": commit.session,
            "seconds": (turn and turn.assistant.session_seconds) or self.seconds,
            "id": sortable_id(),
            "replace": commit.replace,
            "events": len(commit.events),
            "lines": lines,
            "settle_ms": self.settle_ms,
            "settle_at_most_ms": SETTLE_AT_MOST_MS,
            "inbox_wake": self.inbox.wake,
            "inbox_freed": self.inbox.freed(commit.conversation),
            "outbox_wake": self.outbox.wake,
            "most_letters": keys.MOST_DEAD_LETTERS,
        }
        told |= _of_turn(turn, commit.events) if turn else _OF_NO_TURN
        return told | ({"only_in": commit.follow_up.session} if commit.follow_up else {})


_OF_NO_TURN = {
    "fence": "",
    "texts": [],
    "business": "",
    "customer": "",
    "assistant": "",
    "left_open": "",
    "hand_over": "",
    "wait_ms": 0,
    "opted_out": "",
    "only_in": "",
}


def _of_turn(turn: Turn, events: Sequence[Event]) -> dict[str, Any]:
    return {
        "fence": turn.claim.fence,
        "texts": [(waiting.text.sid, waiting.session) for waiting in (*turn.late, *turn.texts)],
        "business": turn.texts[0].text.business,
        "customer": turn.texts[0].text.customer,
        "assistant": turn.assistant.id,
        "left_open": turn.leaves_open().write(),
        "hand_over": _asked_for_a_person(events) or "",
        "wait_ms": turn.assistant.hand_over_minutes * 60_000,
        "opted_out": MODEL if _noted(events, "opt_out") else "",
        "only_in": turn.session,
    }


def _parts(commit: Commit) -> list[Part]:
    """Ready for the outbox. Who is out from now on gets the fixed text and nothing else."""
    turn = commit.turn
    if turn is None:
        return commit.follow_up.take_parts() if commit.follow_up else []
    if _noted(commit.events, "opt_out"):
        turn.say_only(turn.assistant.texts.opted_out)
        return [replace(part, kind=OPTED_OUT) for part in turn.parts()]
    return turn.parts()


def _asked_for_a_person(events: Sequence[Event]) -> dict[str, str] | None:
    asked = _noted(events, "hand_over")
    if not isinstance(asked, dict):
        return None
    return {name: str(asked.get(name, "")) for name in ("reason", "asked_by")}


def _noted(events: Sequence[Event], name: str) -> Any:
    """What an action noted beside its answer for the commit: see actions/tools/."""
    noted = (event.metadata.get(name) for event in events if isinstance(event, BotUttered))
    return next((each for each in noted if each), None)


def _record(commit: Commit, events: list[dict[str, Any]], parts: list[Part]) -> dict[str, Any]:
    turn = commit.turn
    if turn is None:
        return turn_record(parts, events=events)
    return turn_record(
        parts,
        texts=[waiting.text.sid for waiting in turn.texts],
        events=events,
        assistant=turn.assistant.id,
        tries=turn.claim.tries,
        seconds=round(turn.age_seconds, 3),
        failed=commit.letter.reason if commit.letter else "",
    )


# Without blanks: it is stored for as long as the session lasts.
_json = json.JSONEncoder(separators=(",", ":")).encode
