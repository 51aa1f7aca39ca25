"""One entry of the stream, read and checked. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from review.errors import BadRecord

_COUNTER_BITS = 20  # Redis counts entries of one millisecond from 0; a million is out of reach
_BIGGEST = (1 << 63) - 1


@dataclass(frozen=True)
class Record:
    """`id` is the entry's number, `at_ms` when it happened."""

    id: int
    kind: str
    conversation: str
    session: str
    data: Mapping[str, Any]

    @property
    def at_ms(self) -> int:
        return at_ms(self.id)


def entry_number(entry_id: str) -> int:
    """ "1700000000000-3" as one number that sorts as the stream does."""
    milliseconds, _, counter = entry_id.partition("-")
    number = int(milliseconds) << _COUNTER_BITS | int(counter or 0)
    if int(counter or 0) >> _COUNTER_BITS or number > _BIGGEST:
        raise BadRecord(f"the id {entry_id} is out of range")
    return number


def number_named(entry_id: object) -> int:
    """The number of an entry that another one names; 0 for what is no name of one."""
    try:
        return entry_number(str(entry_id or "0"))
    except (ValueError, BadRecord):
        return 0


def entry_id(number: int) -> str:
    return f"{at_ms(number)}-{number & ((1 << _COUNTER_BITS) - 1)}"


def at_ms(number: int) -> int:
    return number >> _COUNTER_BITS


def first_number(at_ms: int) -> int:
    """The number of the first entry that a millisecond can have."""
    return at_ms << _COUNTER_BITS


def read_record(number: int, fields: Mapping[str, str]) -> Record:
    """Raises BadRecord, which says what is wrong and repeats nothing of a customer."""
    kind = fields.get("kind", "")
    if not kind:
        raise BadRecord("it has no kind")
    try:
        data = json.loads(fields.get("data", ""))
    except ValueError:
        raise BadRecord(f"the data of this {kind} is not JSON") from None
    if not isinstance(data, dict):
        raise BadRecord(f"the data of this {kind} is not an object")
    return Record(number, kind, fields.get("conversation", ""), fields.get("session", ""), data)


def clean(text: object) -> str:
    """A text that every database takes: no NUL, no half of a surrogate pair."""
    whole = str(text).replace("\x00", "\ufffd")
    return whole.encode("utf-8", "replace").decode("utf-8")
