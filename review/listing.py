"""Listing: the sessions that a filter lets through, a page at a time, however many there are.

A page is read by keyset: from the last row of the one before. Filters that few sessions meet
are the way in; those that many meet are checked row by row on the way along the order.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from connectors.ids import mask
from review import tables
from review.filters import SORTS, Filter
from review.lengths import Lengths
from review.search import Words
from review.tables import MESSAGES_OF_A_SESSION

PAGE = 50
# Fewer than this are fetched and sorted; more are met soon enough along the order.
FEW = 3_000
MOST_COUNTED = 500
MOST_CHOICES = 300
NO_TIME = Lengths()

Row = dict[str, Any]
_s = tables.sessions.c


@dataclass(frozen=True)
class Page:
    """`older` and `newer` are cursors for the pages around it, "" where there is none.

    `count` is how many the filter lets through, at most MOST_COUNTED.
    """

    rows: Sequence[Row]
    older: str
    newer: str
    count: int


def page(
    connection: Connection,
    wanted: Filter,
    cursor: str = "",
    size: int = PAGE,
    lengths: Lengths = NO_TIME,
) -> Page:
    """Raises filters.BadFilter for a cursor that is none."""
    conditions = _conditions(connection, wanted, lengths)
    backwards, start = wanted.start(cursor)
    order = _Order(wanted, backwards)
    query = sql.select(tables.sessions).where(*conditions).limit(size + 1)
    query = order.onto(query, start)
    rows = [dict(row) for row in connection.execute(query).mappings()]
    more, rows = len(rows) > size, rows[:size]
    if backwards:
        rows.reverse()
    column = SORTS[wanted.sort]
    has_newer, has_older = (more, True) if backwards else (bool(cursor), more)
    return Page(
        _dressed(connection, rows, lengths),
        f"older:{rows[-1][column]}:{rows[-1]['n']}" if rows and has_older else "",
        f"newer:{rows[0][column]}:{rows[0]['n']}" if rows and has_newer else "",
        _count(connection, conditions),
    )


def every(connection: Connection, wanted: Filter, lengths: Lengths, most: int) -> list[Row]:
    """All that the filter lets through, for an export, up to so many."""
    conditions = _conditions(connection, wanted, lengths)
    query = _Order(wanted, False).onto(
        sql.select(tables.sessions).where(*conditions).limit(most), None
    )
    return _dressed(
        connection, [dict(row) for row in connection.execute(query).mappings()], lengths
    )


def one(connection: Connection, session_id: str, lengths: Lengths) -> Row | None:
    """A session as the list has it."""
    query = sql.select(tables.sessions).where(_s.id == session_id)
    rows = [dict(row) for row in connection.execute(query).mappings()]
    return _dressed(connection, rows, lengths)[0] if rows else None


class _Order:
    """A sort, and the n of the session where values are the same."""

    def __init__(self, wanted: Filter, backwards: bool) -> None:
        self.column = _s[SORTS[wanted.sort]]
        self.down = wanted.down != backwards

    def onto(self, query: Any, start: tuple[Any, int] | None) -> Any:
        if start:
            here, there = sql.tuple_(self.column, _s.n), sql.tuple_(*map(sql.literal, start))
            query = query.where(here < there if self.down else here > there)
        if self.column.nullable:
            query = query.where(self.column.is_not(None))
        columns = [self.column, _s.n] if self.column is not _s.n else [_s.n]
        return query.order_by(*(c.desc() if self.down else c.asc() for c in columns))


def _conditions(connection: Connection, wanted: Filter, lengths: Lengths) -> list[Any]:
    return [
        *wanted.conditions(lengths.live(_now())),
        *(_has_facet(connection, key) for key in wanted.facets),
        *([_has_words(connection, wanted.q)] if wanted.q else []),
    ]


def _has_facet(connection: Connection, key: str) -> Any:
    table = tables.facets.c
    with_key = sql.select(table.n).where(table.key == key)
    if _are_few(connection, with_key):
        return _s.n.in_(with_key)
    return sql.exists().where(table.key == key, table.n == _s.n)


def _has_words(connection: Connection, q: str) -> Any:
    words = Words(q, connection.dialect.name)
    found = words.messages()
    if _are_few(connection, found):
        of_session = sql.cast(found.subquery().c.id.op(">>")(20), tables.Number)
        return _s.n.in_(sql.select(of_session))
    first = _s.n * MESSAGES_OF_A_SESSION
    return words.between(first, first + MESSAGES_OF_A_SESSION - 1)


def _are_few(connection: Connection, query: Any) -> bool:
    few = query.limit(FEW + 1).subquery()
    return (
        int(connection.execute(sql.select(sql.func.count()).select_from(few)).scalar_one()) <= FEW
    )


def _count(connection: Connection, conditions: Sequence[Any]) -> int:
    return _how_many(connection, sql.select(_s.n).where(*conditions).limit(MOST_COUNTED))


def _how_many(connection: Connection, query: Any) -> int:
    rows = sql.select(sql.func.count()).select_from(query.subquery())
    return int(connection.execute(rows).scalar_one())


def _dressed(connection: Connection, rows: list[Row], lengths: Lengths) -> list[Row]:
    """With the last words, the tags, the state as one word, and the customer's number masked."""
    last_ids = [_last_message(row) for row in rows]
    table = tables.messages.c
    query = sql.select(table.n, table.author, table.body).where(table.id.in_(last_ids))
    last = {row["n"]: row for row in connection.execute(query).mappings()}
    tags = _tags(connection, [row["n"] for row in rows])
    for row in rows:
        said = last.get(row["n"])
        row["last_words"], row["last_from"] = (said["body"], said["author"]) if said else ("", "")
        row["tags"] = tags.get(row["n"], [])
        row["state"] = state(row, lengths)
        row["customer"] = mask(row["customer"]) if row["customer"] else ""
    return rows


def choices(connection: Connection, kind: str) -> list[str]:
    """The values that a filter by facet can have, "intent" say; the first few hundred."""
    table = tables.facets.c
    last, end = f"{kind}:", f"{kind};"
    found: list[str] = []
    while len(found) < MOST_CHOICES:
        # From one value to the next, past all the sessions that have it.
        query = sql.select(sql.func.min(table.key)).where(table.key > last, table.key < end)
        following = connection.execute(query).scalar()
        if following is None:
            break
        last = str(following)
        found.append(last.partition(":")[2])
    return found


def _last_message(row: Mapping[str, Any]) -> int:
    return int(row["n"] * MESSAGES_OF_A_SESSION + row["texts"] + row["replies"])


def _tags(connection: Connection, numbers: Sequence[int]) -> dict[int, list[Row]]:
    facet, tag = tables.facets.c, tables.tags.c
    known = {
        f"tag:{row['id']}": dict(row)
        for row in connection.execute(sql.select(tables.tags).order_by(tag.name)).mappings()
    }
    if not known or not numbers:
        return {}
    query = sql.select(facet.n, facet.key).where(
        facet.n.in_(numbers), facet.key >= "tag:", facet.key < "tag;"
    )
    found: dict[int, list[Row]] = {}
    for row in connection.execute(query).mappings():
        if row["key"] in known:
            found.setdefault(row["n"], []).append(known[row["key"]])
    return found


def state(row: Mapping[str, Any], lengths: Lengths) -> str:
    """live, ended, waiting, held, opted_out or failed: what somebody should know first."""
    if row["handover"]:
        return str(row["handover"])
    if row["opted_out"]:
        return "opted_out"
    if row["undelivered"]:
        return "failed"
    return "ended" if lengths.over(row, _now()) else "live"


def _now() -> int:
    return int(time.time() * 1000)
