"""Reading: one session with all that is known about it, as plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from connectors.session_log import MODEL_CALL
from review import listing, prompts, tables
from review.errors import NotThere
from review.flow import Item, flow
from review.lengths import Lengths
from review.prices import Prices
from review.record import Record

Row = dict[str, Any]
SIBLINGS = 20


def records_of(connection: Connection, n: int) -> list[Record]:
    """In their order; those of prompts without the prompts, which are long, see prompts."""
    table = tables.records.c
    data = sql.case((table.kind == MODEL_CALL, "{}"), else_=table.data).label("data")
    query = (
        sql.select(table.id, table.kind, table.conversation, table.session, data)
        .where(table.n == n)
        .order_by(table.id)
    )
    return [
        Record(row["id"], row["kind"], row["conversation"], row["session"], json.loads(row["data"]))
        for row in connection.execute(query).mappings()
    ]


def messages_of(connection: Connection, n: int) -> list[Mapping[str, Any]]:
    first = n * tables.MESSAGES_OF_A_SESSION
    table = tables.messages.c
    query = (
        sql.select(tables.messages)
        .where(table.id >= first, table.id < first + tables.MESSAGES_OF_A_SESSION)
        .order_by(table.id)
    )
    return list(connection.execute(query).mappings())


def session(
    connection: Connection, session_id: str, prices: Prices, lengths: Lengths
) -> Row | None:
    """The session as the list has it, and its `flow`, `notes` and `siblings`; or None."""
    row = listing.one(connection, session_id, lengths)
    if row is None:
        return None
    items = flow(records_of(connection, row["n"]), messages_of(connection, row["n"]), prices)
    notes = notes_of(connection, row["n"])
    _annotate(items, notes)
    return {
        **row,
        "flow": items,
        "notes": [note for note in notes if note["message"] == "0"],
        "siblings": siblings(connection, row),
    }


def with_prompts(connection: Connection, row: Row) -> Row:
    """A session, as `session` gives it, and what the models were sent."""
    return {**row, "prompts": [each.plain() for each in prompts.of_session(connection, row["n"])]}


def notes_of(connection: Connection, n: int) -> list[Row]:
    """What people say about a session, oldest first, without what was taken back."""
    table = tables.notes.c
    query = sql.select(tables.notes).where(table.n == n, table.removed_ms == 0).order_by(table.id)
    names = ("id", "message", "kind", "value", "author", "at_ms")
    return [
        {name: row[name] for name in names} | {"message": str(row["message"])}
        for row in connection.execute(query).mappings()
    ]


def _annotate(items: Sequence[Item], notes: Sequence[Row]) -> None:
    of: dict[str, list[Row]] = {}
    for note in notes:
        of.setdefault(note["message"], []).append(note)
    for item in items:
        if item["type"] == "message":
            item["notes"] = of.get(item["id"], [])


def customer_of(connection: Connection, session_id: str) -> str:
    """The number in full: whoever calls this writes down who asked. Raises NotThere."""
    table = tables.sessions.c
    found = connection.execute(sql.select(table.customer).where(table.id == session_id)).scalar()
    if found is None:
        raise NotThere("There is no such session, or it was deleted.")
    return str(found)


def siblings(connection: Connection, row: Mapping[str, Any]) -> list[Row]:
    """Other sessions of the same customer with the same number, the newest first."""
    table = tables.sessions.c
    query = (
        sql.select(table.id, table.opened_ms, table.texts, table.replies)
        .where(table.conversation == row["conversation"], table.n != row["n"])
        .order_by(table.n.desc())
        .limit(SIBLINGS)
    )
    return [dict(found) for found in connection.execute(query).mappings()]
