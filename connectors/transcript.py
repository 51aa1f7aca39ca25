"""The transcript: what was said in a session, for a model to read. Kept beside the events.

Rasa sees only the last turns, and its events are ten times as long as the words in them. So each
commit appends what was said, a line for each event; whoever asks a model reads as many of the last
lines as it has room for, and a summary of what was before them. Both end with the session.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.session_life import session_keys
from connectors.store import Store

# What a line begins with. Steps back and fresh starts are kept, and counted when it is read.
_KINDS = {
    "user": "u",
    "bot": "b",
    "action": "a",
    "rewind": "r",
    "undo": "o",
    "restart": "x",
    "session_started": "x",
}
_EVENTS = {line: event for event, line in _KINDS.items()}
_FRESH_START = "x"


@dataclass(frozen=True)
class Transcript:
    """`session` is the live one's id, "" if there is none.

    `events` are the last ones, oldest first, with nothing but their words. `older` says that
    there are more, which are not in the summary yet; `last` is the last event that was committed,
    as Rasa writes it, or None."""

    summary: str = ""
    events: tuple[Mapping[str, Any], ...] = ()
    older: bool = False
    size: int = 0  # bytes of the lines that were read
    last: Mapping[str, Any] | None = None
    session: str = ""


class Transcripts:
    """Reads them."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def read(self, conversation: str, most_bytes: int) -> Transcript:
        """The live session's, in one round trip, and no more than was asked for, whatever its
        length. Raises StoreUnavailable."""
        session, summary, count, last, lines = await self.store.step(
            "transcript", session_keys(conversation), [conversation, most_bytes]
        )
        return Transcript(
            # A fresh start within the session leaves nothing of what was before.
            summary="" if any(line.startswith(_FRESH_START) for line in lines) else summary,
            events=tuple(event_of(line) for line in lines),
            older=count > len(lines),
            size=sum(len(line.encode()) for line in lines),
            last=json.loads(last) if last else None,
            session=session,
        )


def lines_of(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """What a transcript keeps of events, as Rasa writes them."""
    lines = []
    for event in events:
        kind = _KINDS.get(str(event.get("event")))
        words = words_of(event) if kind in ("u", "b") else ""
        if kind and (words or kind != "b"):
            # What is no text, such as half an emoji, cannot be stored.
            lines.append(kind + words.encode(errors="replace").decode())
    return lines


def event_of(line: str) -> dict[str, Any]:
    """The event that a line was made of, with nothing but its words."""
    return {"event": _EVENTS[line[:1]], "text": line[1:]}


def words_of(event: Mapping[str, Any]) -> str:
    """What an event says, buttons included; "" for an apology of ours: a model that reads its own
    apologies goes on apologising."""
    metadata = event.get("metadata")
    if isinstance(metadata, Mapping) and metadata.get("outcome") == "apology":
        return ""
    words = [_words(event.get("text")), *_offered(event)]
    return "\n".join(word for word in words if word)


def not_committed(
    events: Sequence[Mapping[str, Any]], last: Mapping[str, Any] | None
) -> list[Mapping[str, Any]]:
    """Of a tracker's events those that came after the last committed one."""
    if last is None:
        return list(events)
    same = ("event", "timestamp", "name", "text")
    for index in range(len(events) - 1, -1, -1):
        if all(events[index].get(name) == last.get(name) for name in same):
            return list(events[index + 1 :])
    heard = [index for index, event in enumerate(events) if event.get("event") == "user"]
    return list(events[heard[-1] :]) if heard else []


def _offered(event: Mapping[str, Any]) -> list[str]:
    """A message's buttons as the customer saw them, who may answer with a number."""
    data = event.get("data")
    buttons = data.get("buttons") if isinstance(data, Mapping) else None
    if event.get("event") != "bot" or not isinstance(buttons, list):
        return []
    titles = [_words(button.get("title")) for button in buttons if isinstance(button, Mapping)]
    return [f"{n}. {title}" for n, title in enumerate(filter(None, titles), 1)]


def _words(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
