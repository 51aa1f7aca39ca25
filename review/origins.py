"""Origins: which Redis a record is from, so that several can fill one database.

Each Redis counts the entries of a millisecond from 0, so two of them may give the same id. A Redis
is known by a one-way hash of its id key, with which conversations are keyed. The first one that
comes has the number 0, and its records keep the numbers of their entries; the others' counters
are shifted, see ids.of_origin, so that every record's number tells whose it is.
"""

from __future__ import annotations

import hashlib
import time

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from review import tables

_o = tables.origins.c


def origin_name(id_key: str) -> str:
    """The id key itself must not be kept: numbers could be tried with it."""
    return hashlib.sha256(f"origin\n{id_key}".encode()).hexdigest()


def origin_number(connection: Connection, name: str) -> int:
    """Of a Redis, which is noted when it comes for the first time. Asks for the writer's lock."""
    known = connection.execute(sql.select(_o.number).where(_o.name == name)).scalar()
    if known is not None:
        return int(known)
    newest = connection.execute(sql.select(sql.func.max(_o.number))).scalar()
    n = 0 if newest is None else int(newest) + 1
    row = {"number": n, "name": name, "first_seen_ms": int(time.time() * 1000)}
    connection.execute(tables.origins.insert().values(row))
    return n
