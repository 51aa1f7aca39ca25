"""Tokens: with which programs ask, each with a role of its own."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sql

from review import tables
from review.access import NOBODY, Person, Role
from review.accounts import checked_name
from review.auditing import note
from review.database import Database

SEEN_EVERY_MS = 60_000

_t = tables.tokens.c


class Tokens:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def who(self, token: str) -> Person:
        """NOBODY if there is no such token, or it was revoked."""
        query = sql.select(tables.tokens).where(_t.secret == digest(token), _t.revoked_ms == 0)
        with self.database.reading() as connection:
            found = connection.execute(query).mappings().first()
        if found is None:
            return NOBODY
        if found["used_ms"] < _now() - SEEN_EVERY_MS:
            self._used(found["id"])
        return Person(f"token {found['name']}", Role.of(found["role"]))

    def _used(self, token_id: int) -> None:
        with self.database.writing() as connection:
            this = tables.tokens.update().where(_t.id == token_id)
            connection.execute(this.values(used_ms=_now()))

    def make(self, name: str, role: Role, by: str) -> str:
        """The token, which is shown this once. Raises Unusable."""
        name, token = checked_name(name), f"review_{secrets.token_urlsafe(32)}"
        row = {"name": name, "secret": digest(token), "role": role.word, "author": by}
        with self.database.writing() as connection:
            connection.execute(tables.tokens.insert().values(created_ms=_now(), **row))
            note(connection, by, "made a token", details=f"{name}, {role.word}")
        return token

    def all(self) -> list[Mapping[str, Any]]:
        """Without their secrets."""
        columns = [column for column in _t if column.name != "secret"]
        with self.database.reading() as connection:
            return list(connection.execute(sql.select(*columns).order_by(_t.id)).mappings())

    def revoke(self, token_id: int, by: str) -> None:
        with self.database.writing() as connection:
            this = tables.tokens.update().where(_t.id == token_id, _t.revoked_ms == 0)
            connection.execute(this.values(revoked_ms=_now()))
            note(connection, by, "revoked a token", details=str(token_id))


def digest(secret: str) -> str:
    """How secrets are kept that are long and random."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _now() -> int:
    return int(time.time() * 1000)
