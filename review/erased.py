"""Erased: what was deleted, so that what is still on its way to SQL does not bring it back.

A deletion cannot reach the entries that another review process has in its hand, nor what a sender
learns about a message after its customer is gone. It leaves word here, in the transaction that
deletes; the taker, in the transaction that takes, leaves out what the word covers. Both write one
after the other, so nothing passes between them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from connectors.session_log import DROPPED, SENT, STATUS
from review import tables
from review.customer_data import EVERYTHING, Customer
from review.database import insert_new
from review.record import Record
from review.turn_facts import mapping

# About a message that a turn has put on record before, unless it went with its conversation.
_REPORTS = frozenset({SENT, STATUS, DROPPED})
_SID = re.compile(r"(SM|MM)[0-9a-fA-F]{32}")

_e = tables.erased.c


@dataclass(frozen=True)
class Erased:
    """`until` is the last record that went, by the name of a conversation or session."""

    until: Mapping[str, int]

    @classmethod
    def among(cls, connection: Connection, fields: Iterable[Mapping[str, str]]) -> Erased:
        """Those that these entries name."""
        names = {each.get(name, "") for each in fields for name in ("conversation", "session")}
        query = sql.select(tables.erased).where(_e.name.in_(sorted(names - {""})))
        return cls({row["name"]: row["until"] for row in connection.execute(query).mappings()})

    def covers(self, number: int, fields: Mapping[str, str]) -> bool:
        names = (fields.get("conversation", ""), fields.get("session", ""))
        return any(self.until.get(name, -1) >= number for name in names)

    def may_cover(self, record: Record) -> bool:
        """It came after the deletion; it goes, too, if it reports on a message of before."""
        return record.kind in _REPORTS and record.conversation in self.until


def bury(connection: Connection, customer: Customer) -> None:
    """Of each session all, of each conversation what there was by now."""
    names = {**customer.conversations, **dict.fromkeys(customer.ids, EVERYTHING)}
    for name, until in sorted(names.items()):
        connection.execute(insert_new(connection, tables.erased), {"name": name, "until": until})
        later = tables.erased.update().where(_e.name == name, _e.until < until)
        connection.execute(later.values(until=until))


def sids_of(data: Mapping[str, Any]) -> set[str]:
    """The messages at Twilio that a record is about."""
    texts = data.get("texts")
    named = [data.get("sid"), mapping(data.get("text")).get("sid")]
    named += texts if isinstance(texts, list) else []
    return {sid for sid in named if isinstance(sid, str) and _SID.fullmatch(sid)}


def sids_in(data: str) -> set[str]:
    """The same, of a record as it stands in SQL or on the stream."""
    try:
        return sids_of(mapping(json.loads(data)))
    except ValueError:
        return set()
