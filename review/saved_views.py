"""Saved views: filters with a name, one's own or everybody's."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qsl

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from review import tables
from review.errors import Unusable
from review.filters import Filter
from review.record import clean

LONGEST_NAME = 40

_v = tables.saved_views.c


def of(connection: Connection, who: str) -> list[dict[str, Any]]:
    """Somebody's own and the shared ones, by name."""
    query = (
        sql.select(tables.saved_views)
        .where(sql.or_(_v.author == who, _v.shared.is_(True)))
        .order_by(_v.name, _v.id)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def save(connection: Connection, who: str, name: str, query: str, *, shared: bool) -> str:
    """The query as it was kept. Raises Unusable, and BadFilter for a query that is no filter."""
    name = clean(name).strip()
    if not name or len(name) > LONGEST_NAME:
        raise Unusable(f"A view needs a name of 1 to {LONGEST_NAME} characters.")
    kept = Filter.read(dict(parse_qsl(query))).query()
    connection.execute(
        tables.saved_views.insert().values(
            name=name, query=kept, author=who, shared=shared, created_ms=int(time.time() * 1000)
        )
    )
    return kept


def forget(connection: Connection, who: str, view_id: int) -> None:
    """Only one's own."""
    mine = tables.saved_views.delete().where(_v.id == view_id, _v.author == who)
    if not connection.execute(mine).rowcount:
        raise Unusable("That view is somebody else's, or gone already.")
