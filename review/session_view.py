"""Session view: a session and its flow as session.html is given them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors import session_log
from review.inside_view import Facts, Section, inside, intent, prompts_of
from review.wording import STATES as STATE_WORDS
from review.wording import clock, day, iso, long, money, seconds

_ARRIVED = frozenset({"delivered", "read"})
_NOT_ARRIVED = frozenset({"undelivered", "failed", "dropped", "refused", "canceled"})
_NEVER_LEFT = frozenset({"dropped", "refused"})
_EVENT_LOOKS = dict.fromkeys(
    (session_log.REFUSED, session_log.DROPPED, session_log.TOO_LATE), "refused"
) | dict.fromkeys(
    (
        session_log.HANDOVER_ASKED,
        session_log.HANDOVER_TAKEN,
        session_log.HANDOVER_RELEASED,
    ),
    "handover",
)


@dataclass(frozen=True)
class Day:
    words: str
    kind: str = "day"


@dataclass(frozen=True)
class Event:
    """Something between the bubbles; `look` is "", "refused" or "handover"."""

    id: str
    time: str
    words: str
    look: str
    prompts: list[tuple[str, str]] = field(default_factory=list)
    kind: str = "event"


@dataclass(frozen=True)
class Bubble:
    """`who` is customer, assistant, operator or system."""

    id: str
    who: str
    body: str
    time: str
    iso: str
    status: str
    status_look: str
    intent: str
    latency: str
    unsent: bool
    flag: bool
    ideal: str
    corrected: str
    inside: list[Section]
    kind: str = "turn"


def flow(items: Iterable[Mapping[str, Any]], currency: str) -> list[Day | Event | Bubble]:
    shown: list[Day | Event | Bubble] = []
    today = ""
    for item in items:
        if (of_item := day(item["at_ms"])) != today:
            today = of_item
            shown.append(Day(today))
        shown.append(_bubble(item, currency) if item["type"] == "message" else _event(item))
    return shown


def _event(item: Mapping[str, Any]) -> Event:
    kind = str(item["kind"])
    prompts = prompts_of(item.get("attempts") or ())
    prompts += [("Prompt as sent", item["prompt"])] if item.get("prompt") else []
    look = _EVENT_LOOKS.get(kind, "")
    return Event(f"m{item['id']}", clock(item["at_ms"]), item["words"], look, prompts)


def _bubble(item: Mapping[str, Any], currency: str) -> Bubble:
    status, turn, understood = item["status"], item["turn"], item["understood"]
    notes = {note["kind"]: note["value"] for note in item.get("notes") or ()}
    return Bubble(
        id=f"m{item['id']}",
        who=item["author"],
        body=_body(item),
        time=clock(item["at_ms"]),
        iso=iso(item["at_ms"]),
        status=_status(item),
        status_look=_look(status),
        intent=intent(understood, notes.get("intent", "")),
        latency=f"{turn['seconds']:.1f} s" if turn and turn["seconds"] else "",
        unsent=status in _NEVER_LEFT,
        flag="flag" in notes,
        ideal=notes.get("ideal", ""),
        corrected=notes.get("intent", ""),
        inside=inside(item, currency),
    )


def _body(item: Mapping[str, Any]) -> str:
    count = item["media"]
    media = f"[{count} picture{'' if count == 1 else 's'} or other attachment]" if count else ""
    return "\n".join(filter(None, [item["body"], media]))


def _status(item: Mapping[str, Any]) -> str:
    if item["author"] == "customer":
        return ""
    return item["error_words"] or item["status"] or ""


def _look(status: str) -> str:
    if status in _NOT_ARRIVED:
        return "failed"
    return "delivered" if status in _ARRIVED else ""


def facts(session: Mapping[str, Any], currency: str) -> Facts:
    """What stands beside the conversation."""
    known = [
        ("Our number", session["business"]),
        ("Assistant", session["assistant"]),
        ("Opened", long(session["opened_ms"])),
        ("Last message", long(session["last_ms"])),
        ("Ended", long(session["ended_ms"]) if session["ended_ms"] else ""),
        ("Messages", f"{session['texts']} in, {session['replies']} out"),
        ("Segments", session["segments"] or ""),
        ("Tokens", session["tokens"] or ""),
        ("Slowest answer", seconds(session["slowest_ms"])),
        ("Estimated cost", money(session["cost"], currency)),
        ("With", session["holder"]),
    ]
    return [(name, str(value)) for name, value in known if value]


def heading(session: Mapping[str, Any]) -> dict[str, Any]:
    """What the head of the page and the judgement beside it show."""
    notes: Sequence[Mapping[str, Any]] = session["notes"]
    return {
        "id": session["id"],
        "customer": session["customer"] or "shell",
        "state": session["state"],
        "state_words": STATE_WORDS[session["state"]],
        "review": session["review"],
        "rating": session["rating"],
        "tags": session["tags"],
        "comments": [
            {"id": n["id"], "who": n["author"], "when": long(n["at_ms"]), "text": n["value"]}
            for n in notes
            if n["kind"] == "comment"
        ],
        "siblings": [
            {
                "id": one["id"],
                "when": long(one["opened_ms"]),
                "count": one["texts"] + one["replies"],
            }
            for one in session["siblings"]
        ],
    }
