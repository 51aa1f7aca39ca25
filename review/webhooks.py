"""Webhooks: which systems are told what."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any

import httpx
import sqlalchemy as sql
from sqlalchemy.engine import Connection

from review import tables
from review.announcements import EVENTS
from review.auditing import note
from review.database import Database
from review.errors import NotThere, Unusable
from review.outside import Outside

LONGEST_ADDRESS = 2_000

_d = tables.webhook_deliveries.c
_w = tables.webhooks.c


def webhooks(connection: Connection) -> list[dict[str, Any]]:
    """Without their secrets, with what they are behind with."""
    waiting = (
        sql.select(_d.webhook_id, sql.func.count().label("waiting"), sql.func.max(_d.trouble))
        .where(_d.done_ms == 0)
        .group_by(_d.webhook_id)
    )
    behind = {row[0]: (row[1], row[2]) for row in connection.execute(waiting)}
    query = sql.select(_w.id, _w.url, _w.events, _w.author, _w.created_ms).order_by(_w.id)
    return [
        {
            **row,
            "events": row["events"].split(),
            "waiting": behind.get(row["id"], (0, ""))[0],
            "trouble": behind.get(row["id"], (0, ""))[1],
        }
        for row in connection.execute(query).mappings()
    ]


def add(database: Database, outside: Outside, url: str, events: Sequence[str], by: str) -> str:
    """The secret, which is shown this once. Raises Unusable."""
    address = _read(url)
    if not events or set(events) - set(EVENTS):
        raise Unusable(f"Events are {', '.join(EVENTS)}.")
    outside.check(address.host)
    secret = f"whsec_{secrets.token_urlsafe(32)}"
    told = {"url": url, "secret": secret, "events": " ".join(sorted(set(events))), "author": by}
    with database.writing() as connection:
        now = int(time.time() * 1000)
        connection.execute(tables.webhooks.insert().values(created_ms=now, **told))
        note(connection, by, "added a webhook", details=f"{address.scheme}://{address.host}")
    return secret


def _read(url: str) -> httpx.URL:
    """By the client that will be given it: two readers may take one text for two addresses."""
    try:
        address = httpx.URL(url)
        good = address.scheme in ("http", "https") and bool(address.host)
    except (httpx.InvalidURL, UnicodeError):
        good = False
    if not good or len(url) > LONGEST_ADDRESS or not url.isprintable():
        raise Unusable("The address must begin with https:// or http://.")
    return address


def delete(connection: Connection, webhook_id: int, by: str) -> None:
    """With what it was not told yet. Raises NotThere."""
    connection.execute(tables.webhook_deliveries.delete().where(_d.webhook_id == webhook_id))
    if not connection.execute(tables.webhooks.delete().where(_w.id == webhook_id)).rowcount:
        raise NotThere("There is no such webhook.")
    note(connection, by, "deleted a webhook", details=str(webhook_id))
