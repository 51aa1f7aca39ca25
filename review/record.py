"""One entry of the stream, read and checked. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.ids import entry_at_ms, entry_number, of_origin, origin_of
from review.errors import BadRecord


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
        return entry_at_ms(self.id)


def number_named(entry_id: object, by: int) -> int:
    """The number of a record that record `by` names by its entry; 0 for what is no name of one."""
    try:
        number = entry_number(str(entry_id or "0"))
    except ValueError:
        return 0
    return of_origin(number, origin_of(by)) if number else 0


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
