"""Session view: a session and its flow as session.html is given them. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors import session_log
from review.wording import STATES as STATE_WORDS
from review.wording import clock, clock_seconds, confidence, day, iso, long, money, seconds

Facts = list[tuple[str, str]]

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
_OUTCOMES = {
    "answered": "answered",
    "fallback_model": "the second model answered",
    "apology": "no model answered: the plain sentence",
}


@dataclass(frozen=True)
class Section:
    """A part of what a bubble opens to."""

    name: str
    facts: Facts = field(default_factory=list)
    steps: list[tuple[str, str]] = field(default_factory=list)
    text: str = ""
    prompts: list[tuple[str, str]] = field(default_factory=list)  # words, and which one


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
    prompts = [("Prompt as sent", item["prompt"])] if item.get("prompt") else []
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
        intent=_intent(understood, notes.get("intent", "")),
        latency=f"{turn['seconds']:.1f} s" if turn and turn["seconds"] else "",
        unsent=status in _NEVER_LEFT,
        flag="flag" in notes,
        ideal=notes.get("ideal", ""),
        corrected=notes.get("intent", ""),
        inside=_inside(item, currency),
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


def _intent(understood: Mapping[str, Any] | None, corrected: str) -> str:
    if corrected:
        return f"{corrected} (corrected)"
    if not understood or not understood["intent"]:
        return ""
    return f"{understood['intent']} {confidence(understood['confidence'])}".strip()


def _inside(item: Mapping[str, Any], currency: str) -> list[Section]:
    turn = item["turn"]
    sections = [_understood(item["understood"])] if item["understood"] else []
    if turn:
        sections += [_decided(turn), *_models(turn, currency), *_found(turn)]
    return [*sections, _carried(item, currency)]


def _understood(understood: Mapping[str, Any]) -> Section:
    facts = [
        ("Intent", _intent(understood, "") or "none"),
        *[(str(e.get("entity")), str(e.get("value"))) for e in understood["entities"]],
    ]
    return Section("How it was understood", facts)


def _decided(turn: Mapping[str, Any]) -> Section:
    actions = [_action(action) for action in turn["actions"]]
    slots = [f"{name} = {_plain(value)}" for name, value in turn["slots"].items()]
    facts = [("Action", "\n".join(actions)), ("Slots then", "\n".join(slots) or "none")]
    facts += [("Set now", ", ".join(turn["slots_set"]))] if turn["slots_set"] else []
    facts += [("Tries", str(turn["tries"]))] if (turn["tries"] or 1) > 1 else []
    facts += [("Failed", turn["failed"])] if turn["failed"] else []
    return Section("What was decided", [fact for fact in facts if fact[1]])


def _action(action: Mapping[str, Any]) -> str:
    sure = confidence(action["confidence"])
    policy = f" by {action['policy']}" if action["policy"] else ""
    return f"{action['name']}{policy}{f' ({sure})' if sure else ''}"


def _models(turn: Mapping[str, Any], currency: str) -> list[Section]:
    sections = []
    for model in turn["model"]:
        outcome = str(model["outcome"] or "")
        facts = [
            ("Model", model["model"]),
            ("Outcome", _OUTCOMES.get(outcome, outcome)),
            ("Reason", model["reason"]),
            ("Tokens", _tokens(model)),
            ("Took", seconds(model["latency_ms"] or 0)),
            ("Cost", money(model["cost"], currency)),
        ]
        sections.append(Section("The model", [(n, str(v)) for n, v in facts if v]))
        if prompts := _prompts(model["attempts"]):
            sections.append(Section("Prompt as sent", prompts=prompts))
    return sections


def _prompts(attempts: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """One for each request: tools take several rounds, a second model one more."""
    found = [(attempt, prompt) for attempt in attempts for prompt in attempt["prompts"]]
    return [
        (f"{n} of {len(found)}: {_tried(attempt)}" if len(found) > 1 else _tried(attempt), prompt)
        for n, (attempt, prompt) in enumerate(found, 1)
    ]


def _tried(attempt: Mapping[str, Any]) -> str:
    outcome = str(attempt.get("outcome") or "").replace("_", " ")
    took = seconds(attempt.get("ms") or 0)
    return ", ".join(filter(None, [str(attempt.get("model") or "a model"), outcome, took]))


def _tokens(model: Mapping[str, Any]) -> str:
    if model["prompt_tokens"] is None and model["completion_tokens"] is None:
        return ""
    return f"{model['prompt_tokens'] or 0} in, {model['completion_tokens'] or 0} out"


def _found(turn: Mapping[str, Any]) -> list[Section]:
    named = (("Knowledge", turn["knowledge"]), ("Tools", turn["tools"]), ("More", turn["more"]))
    return [
        Section(name, text="\n".join(_plain(one) for one in found))
        for name, found in named
        if found
    ]


def _carried(item: Mapping[str, Any], currency: str) -> Section:
    is_customer = item["author"] == "customer"
    segments = f"{item['segments']} of {item['encoding']}" if item["segments"] else ""
    facts = [
        ("Twilio", item["sid"]),
        ("Segments", segments),
        ("Price", money(item["cost"], currency)),
        ("State", "" if is_customer else item["status_words"]),
        ("Error", item["error_words"]),
    ]
    steps = [(clock_seconds(step["at_ms"]), step["words"]) for step in item["steps"]]
    return Section("The carrier", [(n, str(v)) for n, v in facts if v], steps)


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "\n".join(f"{name}: {_flat(one)}" for name, one in value.items())
    return _flat(value)


def _flat(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


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
        ("Cost", money(session["cost"], currency)),
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
