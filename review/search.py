"""Search: words in what was said, by each database's own index."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sql

from review import tables

_m = tables.messages.c
_WORD = re.compile(r"\w+", re.UNICODE)
MOST_WORDS = 12


class Words:
    """All of some words, whole, in any order."""

    def __init__(self, q: str, dialect: str) -> None:
        self.words = _WORD.findall(q)[:MOST_WORDS]
        self.is_sqlite = dialect == "sqlite"

    def messages(self) -> Any:
        """A query for the ids of the messages that have them."""
        if self.is_sqlite:
            return sql.select(_words.c.rowid.label("id")).where(self._match())
        return sql.select(_m.id).where(self._match())

    def between(self, first: Any, last: Any) -> Any:
        """Does a message with an id in these bounds have them?"""
        if self.is_sqlite:
            rowid = _words.c.rowid
            return sql.exists().where(self._match(), rowid >= first, rowid <= last)
        return sql.exists().where(self._match(), _m.id >= first, _m.id <= last)

    def _match(self) -> Any:
        if not self.words:
            return sql.false()
        if self.is_sqlite:
            quoted = " ".join(f'"{word}"' for word in self.words)
            return sql.literal_column("message_words").op("MATCH")(quoted)
        document = sql.func.to_tsvector(sql.literal_column("'simple'"), _m.body)
        return document.op("@@")(
            sql.func.to_tsquery(sql.literal_column("'simple'"), " & ".join(self.words))
        )


# SQLite's own table for it, which Alembic and SQLAlchemy do not know.
_words = sql.table("message_words", sql.column("rowid", tables.Number))
