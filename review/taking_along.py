"""Taking along: sessions as files, for a spreadsheet, a program, or Rasa."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from connectors.session_log import TURN
from review.record import Record
from review.turn_facts import OWN_SLOTS, mapping
from review.wording import iso

MOST = 10_000  # sessions in one file
COLUMNS = (
    *("id", "customer", "business", "assistant", "opened", "last", "state", "review", "texts"),
    *("replies", "turns", "segments", "tokens", "cost", "slowest_ms", "least_confidence"),
    *("refused", "undelivered", "fallbacks", "flags", "rating", "tags", "last_words"),
)
# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """One line for each session of the list."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in rows:
        shown = {
            **row,
            "opened": iso(row["opened_ms"]),
            "last": iso(row["last_ms"]),
            "cost": f"{row['cost'] / 1_000_000:.6f}",
            "tags": ", ".join(tag["name"] for tag in row["tags"]),
        }
        writer.writerow([_cell(shown[name]) for name in COLUMNS])
    return out.getvalue()


def as_tracker(records: Iterable[Record], conversation: str) -> dict[str, Any]:
    """What Rasa's `GET /conversations/ID/tracker` gives: events and the slots they end in."""
    events = [
        event
        for record in records
        if record.kind == TURN and isinstance(record.data.get("events"), list)
        for event in record.data["events"]
    ]
    slots: dict[str, Any] = {}
    heard: Mapping[str, Any] = {}
    action = None
    for event in map(mapping, events):
        if event.get("event") == "slot" and event.get("name") not in OWN_SLOTS:
            slots[str(event["name"])] = event.get("value")
        elif event.get("event") == "user":
            heard = mapping(event.get("parse_data"))
        elif event.get("event") == "action":
            action = event.get("name")
    return {
        "sender_id": conversation,
        "slots": slots,
        "latest_message": heard,
        "latest_action_name": action,
        "events": events,
    }


def _cell(value: Any) -> Any:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return not text.startswith("+")
