"""Flow: a session's records as what a person reads, in order. Pure.

Every bubble carries what is known about it: what was understood, who answered and why, what the
model was given and took, what the carrier did. Everything is plain data, fit for JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from connectors import session_log
from review.carrier_words import error_words, status_words
from review.event_words import event_words
from review.prices import Prices
from review.record import Record, number_named
from review.turn_facts import OWN_SLOTS, UNREMARKABLE, mapping, whole

Item = dict[str, Any]
# Told by the turn itself; what else an answer's metadata has is shown under its own name.
_OF_THE_MODEL = ("model", "outcome", "reason", "prompt_tokens", "completion_tokens", "latency_ms")
_ATTEMPTS = "attempts"
_KNOWLEDGE = ("knowledge", "passages")


def flow(
    records: Iterable[Record], messages: Sequence[Mapping[str, Any]], prices: Prices
) -> list[Item]:
    """Items with `type` "message" or "event", as they happened."""
    return _Flow(messages, prices).of(records)


class _Flow:
    def __init__(self, messages: Sequence[Mapping[str, Any]], prices: Prices) -> None:
        self.prices = prices
        self.messages = {str(row["ref"]): row for row in messages}
        self.by_sid = {str(row["sid"]): row for row in messages if row["sid"]}
        self.by_record: dict[int, list[Mapping[str, Any]]] = {}
        for row in messages:
            self.by_record.setdefault(int(row["record"]), []).append(row)
        self.items: list[Item] = []
        self.shown: dict[str, Item] = {}  # bubbles by ref
        self.slots: dict[str, Any] = {}
        self.answered: set[str] = set()  # prompts

    def of(self, records: Iterable[Record]) -> list[Item]:
        for record in records:
            bubbles = [self._bubble(row) for row in self.by_record.get(record.id, [])]
            if record.kind == session_log.TURN:
                self._turn(record, bubbles)
            elif record.kind in _OF_DELIVERY:
                self._delivery(record)
            elif record.kind == session_log.MODEL_CALL:
                self._event(record, {"prompt": str(record.id)})
            elif record.kind == session_log.SUMMARY:
                self._event(record, {"attempts": self._attempts(record, record.data)})
            elif record.kind not in _IN_BUBBLES:
                self._event(record)
        # The calls whose answers became bubbles are told there.
        return [item for item in self.items if item.get("prompt") not in self.answered]

    def _bubble(self, row: Mapping[str, Any]) -> Item:
        status, code = str(row["status"]), str(row["error_code"])
        item = {
            "type": "message",
            **{name: row[name] for name in _COLUMNS},
            "id": str(row["id"]),
            "cost": row["cost"],
            "status_words": status_words(status),
            "error_words": error_words(code),
            "steps": [],
            "understood": None,
            "turn": None,
        }
        self.items.append(item)
        self.shown[str(row["ref"])] = item
        return item

    def _turn(self, record: Record, bubbles: list[Item]) -> None:
        events = [mapping(event) for event in record.data.get("events") or ()]
        heard = [e for e in events if e.get("event") == "user"]
        turn = self._told(record, events)
        asked = [self.shown[sid] for sid in record.data.get("texts") or () if sid in self.shown]
        for item in asked or [b for b in bubbles if b["author"] == "customer"]:
            item["understood"] = _understood(heard[-1]) if heard else None
            item["answered_in_turn"] = str(record.id)
        for item in bubbles:
            if item["author"] != "customer":
                item["turn"] = turn
        if not bubbles and (turn["actions"] or turn["slots_set"] or turn["failed"]):
            self._event(record, {"turn": turn})

    def _told(self, record: Record, events: Sequence[Mapping[str, Any]]) -> Item:
        set_now = {
            str(event.get("name")): event.get("value")
            for event in events
            if event.get("event") == "slot" and event.get("name") not in OWN_SLOTS
        }
        for event in events:
            if event.get("event") in ("restart", "reset_slots", "session_started"):
                self.slots = {}
        self.slots = {
            name: value for name, value in {**self.slots, **set_now}.items() if value is not None
        }
        told = [mapping(e.get("metadata")) for e in events if e.get("event") == "bot"]
        return {
            "id": str(record.id),
            "at_ms": record.at_ms,
            "assistant": str(record.data.get("assistant") or ""),
            "actions": [_action(e) for e in events if _is_told(e)],
            "slots_set": set_now,
            "slots": dict(self.slots),
            "model": [
                self._model(record, one) for one in told if one.get("model") or one.get("outcome")
            ],
            "knowledge": [k for one in told for k in _listed(one, _KNOWLEDGE)],
            "tools": [tool for one in told for tool in _listed(one, ("tools",))],
            "more": [more for one in told if (more := _rest(one))],
            "seconds": record.data.get("seconds"),
            "tries": record.data.get("tries"),
            "failed": str(record.data.get("failed") or ""),
        }

    def _model(self, record: Record, told: Mapping[str, Any]) -> Item:
        prompt, completion = whole(told.get("prompt_tokens")), whole(told.get("completion_tokens"))
        return {
            **{name: told.get(name) for name in _OF_THE_MODEL},
            "attempts": self._attempts(record, told),
            "cost": self.prices.of_tokens(str(told.get("model") or ""), prompt, completion),
        }

    def _attempts(self, record: Record, told: Mapping[str, Any]) -> list[Item]:
        attempts = [_attempt(record, mapping(each)) for each in _listed(told, (_ATTEMPTS,))]
        self.answered.update(prompt for each in attempts for prompt in each["prompts"])
        return attempts

    def _delivery(self, record: Record) -> None:
        """A step of a bubble; an event of its own if nobody knows which one."""
        data = record.data
        part, sid = str(data.get("part") or ""), str(data.get("sid") or "")
        row = self.by_sid.get(sid)
        item = self.shown.get(part) or (self.shown.get(str(row["ref"])) if row else None)
        if item is None:
            self._event(record)
            return
        status = "dropped" if record.kind == session_log.DROPPED else str(data.get("status") or "")
        code = str(data.get("error_code") or data.get("code") or "")
        words = [status_words(status), str(data.get("reason") or "")]
        words.append(error_words("" if code == "0" else code))
        item["steps"].append(
            {"at_ms": record.at_ms, "status": status, "words": ": ".join(filter(None, words))}
        )

    def _event(self, record: Record, more: Mapping[str, Any] | None = None) -> None:
        self.items.append(
            {
                "type": "event",
                "id": str(record.id),
                "at_ms": record.at_ms,
                "kind": record.kind,
                "words": event_words(record),
                "data": _without_numbers({k: v for k, v in record.data.items() if k != "events"}),
                **(more or {}),
            }
        )


_OF_DELIVERY = frozenset({session_log.SENT, session_log.STATUS, session_log.DROPPED})
_IN_BUBBLES = frozenset({session_log.TEXT, session_log.APOLOGY})
_COLUMNS = (
    *("at_ms", "author", "ref", "sid", "body", "media", "segments", "encoding", "status"),
    "error_code",
)
_NUMBERS = frozenset({"customer", "business"})


def _without_numbers(data: Any) -> Any:
    """Whoever needs a number in full asks for it, and that is on record."""
    if isinstance(data, list):
        return [_without_numbers(each) for each in data]
    if not isinstance(data, Mapping):
        return data
    return {k: _without_numbers(v) for k, v in data.items() if k not in _NUMBERS}


def _understood(event: Mapping[str, Any]) -> Item:
    parsed = mapping(event.get("parse_data"))
    intent = mapping(parsed.get("intent"))
    entities = parsed.get("entities")
    return {
        "text": event.get("text"),
        "intent": intent.get("name"),
        "confidence": intent.get("confidence"),
        "entities": entities if isinstance(entities, list) else [],
    }


def _action(event: Mapping[str, Any]) -> Item:
    return {name: event.get(name) for name in ("name", "policy", "confidence")}


def _attempt(record: Record, told: Mapping[str, Any]) -> Item:
    """One try of a model, and the prompts that it was sent, by the numbers of their records."""
    numbers = (number_named(entry, record.id) for entry in _listed(told, ("prompts",)))
    return {**told, "prompts": [str(number) for number in numbers if number]}


def _is_told(event: Mapping[str, Any]) -> bool:
    return event.get("event") == "action" and event.get("name") not in UNREMARKABLE


def _listed(told: Mapping[str, Any], names: Sequence[str]) -> list[Any]:
    found: Any = next((told[name] for name in names if told.get(name)), [])
    return found if isinstance(found, list) else [found]


def _rest(told: Mapping[str, Any]) -> Item:
    known = {*_OF_THE_MODEL, _ATTEMPTS, *_KNOWLEDGE, "tools", "utter_action"}
    return {str(name): value for name, value in told.items() if name not in known}
