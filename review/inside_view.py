"""Inside view: what a bubble opens to, as _item.html shows it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from review.wording import clock_seconds, confidence, money, seconds

Facts = list[tuple[str, str]]

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


def inside(item: Mapping[str, Any], currency: str) -> list[Section]:
    turn = item["turn"]
    sections = [_understood(item["understood"])] if item["understood"] else []
    if turn:
        sections += [_decided(turn), *_models(turn, currency), *_found(turn)]
    return [*sections, _carried(item, currency)]


def intent(understood: Mapping[str, Any] | None, corrected: str) -> str:
    if corrected:
        return f"{corrected} (corrected)"
    if not understood or not understood["intent"]:
        return ""
    return f"{understood['intent']} {confidence(understood['confidence'])}".strip()


def _understood(understood: Mapping[str, Any]) -> Section:
    facts = [
        ("Intent", intent(understood, "") or "none"),
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
            ("Estimated cost", money(model["cost"], currency)),
        ]
        sections.append(Section("The model", [(n, str(v)) for n, v in facts if v]))
        if prompts := prompts_of(model["attempts"]):
            sections.append(Section("Prompt as sent", prompts=prompts))
    return sections


def prompts_of(attempts: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
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
        ("Estimated price", money(item["cost"], currency)),
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
