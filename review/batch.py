"""Batch: the rows that some records are about, read once, changed in memory, written once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from review import tables
from review.database import insert_new
from review.record import Record, clean
from review.turn_facts import mapping

AT_ONCE = 500  # values in one IN (...)
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
    _assistants: dict[str, str] = field(default_factory=dict)
    _new_sessions: set[str] = field(default_factory=set)
    _new_messages: set[str] = field(default_factory=set)
    _changed: set[str] = field(default_factory=set)
    _changed_messages: set[str] = field(default_factory=set)
    _last_n: int = 0

    # What there is

    def load(self, records: Iterable[Record]) -> None:
        """Everything that these records could be about."""
        records = list(records)
        found = self.connection.execute(sql.select(sql.func.max(tables.sessions.c.n))).scalar()
        self._last_n = found or 0
        refs = {ref for record in records for ref in _refs(record)}
        columns = tables.messages.c
        for column, names in ((columns.ref, refs), (columns.sid, _lone_sids(records))):
            for row in self._where_in(tables.messages, column, names):
                self.messages[row["ref"]] = row
                self.by_sid[row["sid"]] = row
        self._load_sessions(
            tables.sessions.c.id, {record.session for record in records if record.session}
        )
        numbers = {int(row["n"]) for row in self.messages.values()}
        self._load_sessions(tables.sessions.c.n, numbers)
        self._load_latest({r.conversation for r in records if r.conversation and not r.session})

    def _load_sessions(self, column: Any, values: Iterable[Any]) -> None:
        for row in self._where_in(tables.sessions, column, values):
            known = self.sessions.setdefault(row["id"], row)
            self.by_n[row["n"]] = known

    def _load_latest(self, conversations: Iterable[str]) -> None:
        table = tables.sessions.c
        newest = sql.select(sql.func.max(table.n)).group_by(table.conversation)
        numbers: list[int] = []
        for some in _chunks(conversations):
            found = self.connection.execute(newest.where(table.conversation.in_(some)))
            numbers += found.scalars()
        self._load_sessions(table.n, numbers)
        for row in sorted(self.sessions.values(), key=lambda row: int(row["n"])):
            self.latest[row["conversation"]] = row["id"]

    def _where_in(self, table: sql.Table, column: Any, values: Iterable[Any]) -> list[Row]:
        return [
            dict(row)
            for some in _chunks(values)
            for row in self.connection.execute(sql.select(table).where(column.in_(some))).mappings()
        ]

    def known(self, ids: Iterable[int]) -> set[int]:
        """Which of these entries were taken before."""
        found: set[int] = set()
        for table in (tables.records, tables.set_aside):
            for some in _chunks(ids):
                query = sql.select(table.c.id).where(table.c.id.in_(some))
                found |= set(self.connection.execute(query).scalars())
        return found

    # What becomes of it

    def session(self, record: Record) -> Row | None:
        """The session a record is about; made when it is named and not there yet."""
        if record.session:
            return self.sessions.get(record.session) or self._new_session(record)
        message = self.message(record.data)
        if message:
            return self.by_n.get(int(message["n"]))
        return self.sessions.get(self.latest.get(record.conversation, ""))

    def _new_session(self, record: Record) -> Row:
        self._last_n += 1
        row: Row = {
            "n": self._last_n,
            "id": record.session,
            "conversation": record.conversation,
            "opened_ms": record.at_ms,
            "last_ms": record.at_ms,
        }
        for column in tables.sessions.c:
            if column.name not in row:
                row[column.name] = _default(column)
        self.sessions[record.session] = self.by_n[self._last_n] = row
        self.latest[record.conversation] = record.session
        self._new_sessions.add(record.session)
        return row

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
        self._new_messages.add(ref)
        self.change(session)
        return row

    def change(self, session: Row) -> None:
        self._changed.add(session["id"])

    def change_message(self, message: Row, **columns: Any) -> None:
        message.update(columns)
        self._changed_messages.add(message["ref"])
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

    # Back into the tables

    def flush(self) -> None:
        insert = self.connection.execute
        for rows, table in ((self.records, tables.records), (self.aside, tables.set_aside)):
            if rows:
                insert(table.insert(), rows)
        if new := [self.sessions[name] for name in self._new_sessions]:
            insert(tables.sessions.insert(), sorted(new, key=lambda row: int(row["n"])))
        if fresh := [self.messages[ref] for ref in self._new_messages]:
            insert(tables.messages.insert(), sorted(fresh, key=lambda row: int(row["id"])))
        self._update_sessions()
        self._update_messages()
        self._flush_facets()
        self._flush_figures()

    def _update_sessions(self) -> None:
        names = self._changed - self._new_sessions
        if names:
            self.connection.execute(
                tables.sessions.update()
                .where(tables.sessions.c.n == sql.bindparam("this"))
                .values({name: sql.bindparam("to_" + name) for name in CHANGING}),
                [
                    {
                        "this": self.sessions[name]["n"],
                        **{"to_" + c: self.sessions[name][c] for c in CHANGING},
                    }
                    for name in sorted(names)
                ],
            )

    def _update_messages(self) -> None:
        if refs := self._changed_messages - self._new_messages:
            self.connection.execute(
                tables.messages.update()
                .where(tables.messages.c.id == sql.bindparam("this"))
                .values(
                    {name: sql.bindparam("to_" + name) for name in ("sid", "status", "error_code")}
                ),
                [
                    {
                        "this": self.messages[ref]["id"],
                        "to_sid": self.messages[ref]["sid"],
                        "to_status": self.messages[ref]["status"],
                        "to_error_code": self.messages[ref]["error_code"],
                    }
                    for ref in sorted(refs)
                ],
            )

    def _flush_facets(self) -> None:
        facet = tables.facets.c
        for key, n in self.gone:
            self.connection.execute(tables.facets.delete().where(facet.key == key, facet.n == n))
        if self.facets:
            self.connection.execute(
                insert_new(self.connection, tables.facets),
                [{"key": key, "n": n} for key, n in sorted(self.facets)],
            )

    def _flush_figures(self) -> None:
        if not self.figures:
            return
        names = ("day", "business", "assistant", "name")
        rows = [{**dict(zip(names, key, strict=True)), "value": 0} for key in self.figures]
        self.connection.execute(insert_new(self.connection, tables.figures), rows)
        table = tables.figures.c
        self.connection.execute(
            tables.figures.update()
            .where(*(table[name] == sql.bindparam("of_" + name) for name in names))
            .values(value=table.value + sql.bindparam("more")),
            [
                {**{"of_" + name: part for name, part in zip(names, key, strict=True)}, "more": n}
                for key, n in sorted(self.figures.items())
            ],
        )


# The columns of a session that records change; the others are set once, or by people.
CHANGING = (
    *("business", "customer", "assistant", "last_ms", "ended_ms", "texts", "replies", "turns"),
    *("segments", "tokens", "cost", "slowest_ms", "least_confidence", "refused", "undelivered"),
    *("fallbacks", "handover", "holder", "opted_out"),
)


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


def _refs(record: Record) -> set[str]:
    """Every name of a message that a record mentions."""
    data = record.data
    parts = data.get("parts")
    texts = data.get("texts")
    late = data.get("instead_of")
    named = [data.get("part"), data.get("sid")]
    named += [mapping(part).get("id") for part in parts] if isinstance(parts, list) else []
    named += texts if isinstance(texts, list) else []
    named += late if isinstance(late, list) else []
    return {name for name in named if isinstance(name, str) and name}


def _lone_sids(records: Iterable[Record]) -> set[str]:
    """The SIDs of reports that do not say of which part they are."""
    return {
        str(record.data["sid"])
        for record in records
        if record.data.get("sid") and not record.data.get("part")
    }


def _default(column: Any) -> Any:
    if column.server_default is None:
        return None
    given = column.server_default.arg
    if isinstance(column.type, sql.Boolean):
        return given == "1"
    return given if isinstance(column.type, sql.Text) else int(given)


def _chunks(values: Iterable[Any]) -> Iterable[list[Any]]:
    ordered = sorted(set(values))
    return (ordered[i : i + AT_ONCE] for i in range(0, len(ordered), AT_ONCE))
