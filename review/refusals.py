"""Refusals: texts that were not answered and answers that were not sent, with the reason.

Many have no session: whoever opted out, texts a number that nobody answers, or is a machine, opens
none. So they have a page of their own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from connectors.ids import entry_at_ms, mask
from connectors.session_log import REFUSED
from review import figures, tables
from review.errors import BadFilter
from review.turn_facts import mapping

PAGE = 100
# How the figures of a day call them, see figures.
PREFIX = "refused:"

_r, _s = tables.records.c, tables.sessions.c


def page(
    connection: Connection, cursor: str = "", reason: str = ""
) -> tuple[list[dict[str, Any]], str]:
    """The newest first, and the cursor for older ones, "" at the end. Raises BadFilter."""
    if cursor and not (cursor.isascii() and cursor.isdigit() and int(cursor[:20]) < 1 << 63):
        raise BadFilter("page is not one that the list gave out")
    query = (
        sql.select(_r.id, _r.data, _s.id.label("session"), _s.customer, _s.business)
        .select_from(tables.records.outerjoin(tables.sessions, _s.n == _r.n))
        # A literal, so that the index of refusals alone is seen to do.
        .where(sql.text(f"records.kind = '{REFUSED}'"))
        .order_by(_r.id.desc())
        .limit(PAGE + 1)
    )
    if cursor:
        query = query.where(_r.id < int(cursor))
    if reason:
        said = json.dumps({"reason": reason})[1:-1]
        query = query.where(_r.data.contains(said, autoescape=True))
    found = list(connection.execute(query).mappings())
    older = str(found[PAGE - 1]["id"]) if len(found) > PAGE else ""
    return [_told(row) for row in found[:PAGE]], older


def business_of(data: Mapping[str, Any]) -> str:
    """The number of ours that it is about, as far as the record says so."""
    return str(data.get("business") or mapping(data.get("text")).get("business") or "")


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    data = mapping(json.loads(row["data"]))
    text = mapping(data.get("text"))
    customer = str(data.get("customer") or text.get("customer") or row["customer"] or "")
    return {
        "id": str(row["id"]),
        "at_ms": entry_at_ms(row["id"]),
        "what": "text" if text else str(data.get("route") or ""),
        "who": str(data.get("who") or ""),
        "reason": str(data.get("reason") or ""),
        "do": str(data.get("do") or ""),
        "customer": mask(customer) if customer else "",
        "business": business_of(data) or str(row["business"] or ""),
        "body": str(text.get("body") or data.get("body") or ""),
        "session": str(row["session"] or ""),
    }


def by_reason(connection: Connection, days: int) -> list[tuple[str, int]]:
    """How often in the last days (UTC), the most frequent first."""
    table = tables.figures.c
    since = figures.today() - timedelta(days=days - 1)
    query = (
        sql.select(table.name, sql.func.sum(table.value))
        .where(table.day >= since.isoformat())
        .where(table.name >= PREFIX, table.name < PREFIX[:-1] + ";")
        .group_by(table.name)
    )
    found = [(str(name)[len(PREFIX) :], int(n)) for name, n in connection.execute(query)]
    return sorted(found, key=lambda each: (-each[1], each[0]))
