"""What the events of one turn tell: intent, actions, slots, and what the model reported. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

# Set by Rasa itself; nobody looks for them.
OWN_SLOTS = frozenset({"session_started_metadata", "requested_slot"})
UNREMARKABLE = frozenset({"action_listen", "action_session_start"})
LONGEST_VALUE = 64
FALLBACKS = frozenset({"fallback_model", "apology"})


@dataclass
class TurnFacts:
    """`latency_ms` is the model's. Confidences are from 0 to 1."""

    intents: list[tuple[str, float]] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    policies: list[str] = field(default_factory=list)
    slots: dict[str, Any] = field(default_factory=dict)
    models: list[str] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    latency_ms: int = 0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def confidence(self) -> float | None:
        """Of the least certain intent."""
        return min((confidence for _, confidence in self.intents), default=None)

    @property
    def is_fallback(self) -> bool:
        """Did something other than the first model or a rule have to answer?"""
        return any(outcome in FALLBACKS for outcome in self.outcomes)

    def facets(self) -> set[str]:
        """What a session can be found by, see tables.facets."""
        found = {f"intent:{name}" for name, _ in self.intents}
        found |= {f"action:{name}" for name in self.actions}
        found |= {f"policy:{name}" for name in self.policies}
        found |= {f"model:{name}" for name in self.models}
        found |= {f"tool:{name}" for name in self.tools}
        found |= {f"outcome:{name}" for name in self.outcomes}
        for name, value in self.slots.items():
            found.add(f"slot:{name}")
            if isinstance(value, (str, int, float, bool)) and len(str(value)) <= LONGEST_VALUE:
                found.add(f"slot:{name}={value}")
        return found


def turn_facts(events: Iterable[Any]) -> TurnFacts:
    """Never raises: what is not as Rasa writes it is passed over."""
    facts = TurnFacts()
    for event in events:
        if isinstance(event, Mapping) and (read := _READERS.get(str(event.get("event")))):
            read(facts, event)
    return facts


def _user(facts: TurnFacts, event: Mapping[str, Any]) -> None:
    intent = mapping(mapping(event.get("parse_data")).get("intent"))
    if name := intent.get("name"):
        facts.intents.append((str(name), _float(intent.get("confidence"), 1.0)))


def _action(facts: TurnFacts, event: Mapping[str, Any]) -> None:
    name = str(event.get("name") or "")
    if name and name not in UNREMARKABLE:
        facts.actions.append(name)
        if policy := event.get("policy"):
            facts.policies.append(str(policy))


def _slot(facts: TurnFacts, event: Mapping[str, Any]) -> None:
    name = str(event.get("name") or "")
    if name and name not in OWN_SLOTS and event.get("value") is not None:
        facts.slots[name] = event["value"]


def _bot(facts: TurnFacts, event: Mapping[str, Any]) -> None:
    told = mapping(event.get("metadata"))
    if model := told.get("model"):
        facts.models.append(str(model))
    if outcome := told.get("outcome"):
        facts.outcomes.append(str(outcome))
    tools = told.get("tools")
    for tool in tools if isinstance(tools, list) else ():
        facts.tools.append(str(tool.get("name", "") if isinstance(tool, Mapping) else tool))
    facts.prompt_tokens += whole(told.get("prompt_tokens"))
    facts.completion_tokens += whole(told.get("completion_tokens"))
    facts.latency_ms += whole(told.get("latency_ms"))


_READERS = {"user": _user, "action": _action, "slot": _slot, "bot": _bot}


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def whole(value: object) -> int:
    """A count or a number of milliseconds; 0 for what is none."""
    return int(value) if isinstance(value, (int, float)) and 0 <= value < 1 << 53 else 0


def _float(value: object, default: float) -> float:
    return float(value) if isinstance(value, (int, float)) else default
