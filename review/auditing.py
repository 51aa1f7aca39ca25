"""Auditing: who did what. Lines are written where it is done, and read on a page of their own."""

from __future__ import annotations

import time
from typing import Any

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from review import tables
from review.errors import BadFilter

PAGE = 100

_a = tables.audit.c


def note(
    connection: Connection, who: str, what: str, *, session: str = "", details: str = ""
) -> None:
    """A line in the audit, in the transaction that does what it tells."""
    connection.execute(
        tables.audit.insert().values(
            at_ms=int(time.time() * 1000), who=who, what=what, session=session, details=details
        )
    )


def page(connection: Connection, cursor: str = "") -> tuple[list[dict[str, Any]], str]:
    """Lines from the newest on, and the cursor for older ones, "" at the end."""
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise BadFilter("page is not one that the list gave out")
    query = sql.select(tables.audit).order_by(_a.id.desc()).limit(PAGE + 1)
    if cursor:
        query = query.where(_a.id < int(cursor))
    found = [dict(row) for row in connection.execute(query).mappings()]
    lines = found[:PAGE]
    return lines, str(lines[-1]["id"]) if len(found) > PAGE else ""
