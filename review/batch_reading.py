"""Batch reading: the rows that some records could be about, out of the tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from review import tables
from review.batch import Batch, Row
from review.record import Record
from review.turn_facts import mapping

AT_ONCE = 500  # values in one IN (...)


def load(batch: Batch, records: Iterable[Record]) -> None:
    """Everything that these records could be about."""
    records = list(records)
    found = batch.connection.execute(sql.select(sql.func.max(tables.sessions.c.n))).scalar()
    batch.last_n = found or 0
    refs = {ref for record in records for ref in _refs(record)}
    columns = tables.messages.c
    for column, names in ((columns.ref, refs), (columns.sid, _lone_sids(records))):
        for row in _where_in(batch.connection, tables.messages, column, names):
            batch.messages[row["ref"]] = row
            batch.by_sid[row["sid"]] = row
    _load_sessions(
        batch, tables.sessions.c.id, {record.session for record in records if record.session}
    )
    numbers = {int(row["n"]) for row in batch.messages.values()}
    _load_sessions(batch, tables.sessions.c.n, numbers)
    _load_latest(batch, {r.conversation for r in records if r.conversation and not r.session})


def _load_sessions(batch: Batch, column: Any, values: Iterable[Any]) -> None:
    for row in _where_in(batch.connection, tables.sessions, column, values):
        known = batch.sessions.setdefault(row["id"], row)
        batch.by_n[row["n"]] = known


def _load_latest(batch: Batch, conversations: Iterable[str]) -> None:
    table = tables.sessions.c
    newest = sql.select(sql.func.max(table.n)).group_by(table.conversation)
    numbers: list[int] = []
    for some in _chunks(conversations):
        found = batch.connection.execute(newest.where(table.conversation.in_(some)))
        numbers += found.scalars()
    _load_sessions(batch, table.n, numbers)
    for row in sorted(batch.sessions.values(), key=lambda row: int(row["n"])):
        batch.latest[row["conversation"]] = row["id"]


def _where_in(
    connection: Connection, table: sql.Table, column: Any, values: Iterable[Any]
) -> list[Row]:
    return [
        dict(row)
        for some in _chunks(values)
        for row in connection.execute(sql.select(table).where(column.in_(some))).mappings()
    ]


def known(connection: Connection, ids: Iterable[int]) -> set[int]:
    """Which of these entries were taken before."""
    found: set[int] = set()
    for table in (tables.records, tables.set_aside):
        for some in _chunks(ids):
            query = sql.select(table.c.id).where(table.c.id.in_(some))
            found |= set(connection.execute(query).scalars())
    return found


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


def _chunks(values: Iterable[Any]) -> Iterable[list[Any]]:
    ordered = sorted(set(values))
    return (ordered[i : i + AT_ONCE] for i in range(0, len(ordered), AT_ONCE))
