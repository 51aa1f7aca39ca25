"""Batch: the rows that some records are about, changed in memory.

`batch_reading` fills it from the tables, `batch_writing` brings it back into them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from review import tables
from review.record import Record, clean

Row = dict[str, Any]


@dataclass
class Batch:
    """`sessions` by id, `messages` by ref. Rows are plain dictionaries with a column a key."""

    connection: Connection
    sessions: dict[str, Row] = field(default_factory=dict)
    latest: dict[str, str] = field(default_factory=dict)  # conversation to its newest session
    messages: dict[str, Row] = field(default_factory=dict)
    by_n: dict[int, Row] = field(default_factory=dict)
    by_sid: dict[str, Row] = field(default_factory=dict)
    records: list[Row] = field(default_factory=list)
    aside: list[Row] = field(default_factory=list)
    facets: set[tuple[str, int]] = field(default_factory=set)
    gone: set[tuple[str, int]] = field(default_factory=set)
    figures: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    news: list[tuple[str, Row, int]] = field(default_factory=list)  # event, session, when
    adopting: list[Row] = field(default_factory=list)  # sessions, of prompts before them
    redactions: set[str] = field(default_factory=set)  # SIDs of messages of deleted customers
    _assistants: dict[str, str] = field(default_factory=dict)
    new_sessions: set[str] = field(default_factory=set)
    new_messages: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    changed_messages: set[str] = field(default_factory=set)
    last_n: int = 0

    def session(self, record: Record) -> Row | None:
        """The session a record is about; made when it is named and not there yet."""
        if record.session:
            return self.sessions.get(record.session) or self._new_session(record)
        message = self.message(record.data)
        if message:
            return self.by_n.get(int(message["n"]))
        return self.sessions.get(self.latest.get(record.conversation, ""))

    def _new_session(self, record: Record) -> Row:
        self.last_n += 1
        row: Row = {
            "n": self.last_n,
            "id": record.session,
            "conversation": record.conversation,
            "opened_ms": record.at_ms,
            "last_ms": record.at_ms,
        }
        for column in tables.sessions.c:
            if column.name not in row:
                row[column.name] = _default(column)
        self.sessions[record.session] = self.by_n[self.last_n] = row
        self.latest[record.conversation] = record.session
        self.new_sessions.add(record.session)
        return row

    def adopt_calls(self, session: Row) -> None:
        """In `rasa shell` and over REST a model is asked before there is a session."""
        self.adopting.append(session)

    def assistant_of(self, business: str) -> str:
        """Who answered at this number last: a session that just begins has not been answered."""
        if business not in self._assistants:
            table = tables.sessions.c
            query = (
                sql.select(table.assistant)
                .where(table.business == business, table.assistant != "")
                .order_by(table.n.desc())
                .limit(1)
            )
            self._assistants[business] = self.connection.execute(query).scalar() or ""
        return self._assistants[business]

    def message(self, data: Mapping[str, Any]) -> Row | None:
        """The message that a send or a delivery report is about."""
        part, sid = str(data.get("part") or ""), str(data.get("sid") or "")
        return self.messages.get(part) or self.messages.get(sid) or self.by_sid.get(sid)

    def say(self, session: Row, record: Record, ref: str, **columns: Any) -> Row | None:
        """A new bubble. None if there is one of that name already."""
        if ref in self.messages:
            return None
        inbound = columns["author"] == "customer"
        session["texts" if inbound else "replies"] += 1
        count = session["texts"] + session["replies"]
        row: Row = {
            **{column.name: _default(column) for column in tables.messages.c},
            "id": session["n"] * tables.MESSAGES_OF_A_SESSION + count,
            "n": session["n"],
            "record": record.id,
            "at_ms": record.at_ms,
            "ref": ref,
            **columns,
        }
        session["segments"] += row["segments"]
        session["cost"] += row["cost"]
        self.messages[ref] = row
        self.new_messages.add(ref)
        self.change(session)
        return row

    def change(self, session: Row) -> None:
        self.changed.add(session["id"])

    def change_message(self, message: Row, **columns: Any) -> None:
        message.update(columns)
        self.changed_messages.add(message["ref"])
        if message["sid"]:
            self.by_sid[message["sid"]] = message

    def facet(self, session: Row, *keys: str) -> None:
        for key in keys:
            self.facets.add((clean(key)[:200], session["n"]))

    def unfacet(self, session: Row, key: str) -> None:
        self.facets.discard((key, session["n"]))
        self.gone.add((key, session["n"]))

    def count(self, session: Row, at_ms: int, name: str, value: int = 1) -> None:
        day = datetime.fromtimestamp(at_ms / 1000, timezone.utc).strftime("%Y-%m-%d")
        self.figures[(day, session["business"], session["assistant"], name)] += value


def kept(record: Record, session: Row | None) -> Row:
    """The record as its row."""
    return {
        "id": record.id,
        "kind": clean(record.kind),
        "conversation": clean(record.conversation),
        "session": clean(session["id"] if session else record.session),
        "n": session["n"] if session else 0,
        "data": json.dumps(record.data),
    }


def _default(column: Any) -> Any:
    if column.server_default is None:
        return None
    given = column.server_default.arg
    if isinstance(column.type, sql.Boolean):
        return given == "1"
    return given if isinstance(column.type, sql.Text) else int(given)
