"""Judging: what people say about a session. Everything can be taken back, and says who did it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from review import tables
from review.database import insert_new
from review.errors import NotThere, Unusable
from review.record import clean

STATUSES = ("unread", "reviewed", "saved")
KINDS = ("flag", "comment", "rating", "ideal", "intent")
ONE_AT_A_TIME = frozenset({"flag", "rating", "ideal", "intent"})  # a new one replaces the old
LONGEST = {"flag": 200, "comment": 4000, "rating": 1, "ideal": 4000, "intent": 200}
LONGEST_TAG = 60
STARS = 5
COLOURS = (
    *("#b3261e", "#b35c00", "#8a6d00", "#2e7d32", "#00796b"),
    *("#1565c0", "#5e35b1", "#ad1457", "#546e7a", "#6d4c41"),
)

_s = tables.sessions.c


class Judge:
    """One person's judgement, inside one transaction. Raises NotThere and Unusable."""

    def __init__(self, connection: Connection, who: str) -> None:
        self.connection = connection
        self.who = who

    def session_number(self, session_id: str) -> int:
        found = self.connection.execute(sql.select(_s.n).where(_s.id == session_id)).scalar()
        if found is None:
            raise NotThere("There is no such session, or it was deleted.")
        return int(found)

    # Review status

    def review(self, session_id: str, status: str) -> None:
        if status not in STATUSES:
            raise Unusable(f"A status is one of {', '.join(STATUSES)}.")
        n = self.session_number(session_id)
        self.connection.execute(
            tables.reviews.insert().values(n=n, status=status, author=self.who, at_ms=_now())
        )
        self._set_review(n, status)

    def undo_review(self, session_id: str) -> str:
        """Take the newest change back; the status that counts again."""
        n, table = self.session_number(session_id), tables.reviews
        newest = (
            sql.select(table.c.id, table.c.status)
            .where(table.c.n == n, table.c.undone_ms == 0)
            .order_by(table.c.id.desc())
            .limit(2)
        )
        found = self.connection.execute(newest).all()
        if not found:
            raise Unusable("There is nothing to undo.")
        this = table.update().where(table.c.id == found[0][0])
        self.connection.execute(this.values(undone_ms=_now()))
        before = str(found[1][1]) if len(found) > 1 else "unread"
        self._set_review(n, before)
        return before

    def _set_review(self, n: int, status: str) -> None:
        self.connection.execute(tables.sessions.update().where(_s.n == n).values(review=status))
        for other in ("reviewed", "saved"):
            self._facet(n, f"review:{other}", other == status)

    # Flags, comments, ratings, ideal answers, corrected intents

    def note(self, session_id: str, kind: str, value: str = "", message: int = 0) -> int:
        """Its id. `message` 0 is the whole session."""
        n = self.session_number(session_id)
        value = self._checked(kind, clean(value).strip())
        self._check_message(n, message)
        if kind in ONE_AT_A_TIME:
            self._remove_kind(n, kind, message)
        row = tables.notes.insert().values(
            n=n, message=message, kind=kind, value=value, author=self.who, at_ms=_now()
        )
        note_id = int(self.connection.execute(row).inserted_primary_key[0])
        self._recount(n)
        return note_id

    def unnote(self, session_id: str, note_id: int) -> None:
        n, table = self.session_number(session_id), tables.notes.c
        done = self._remove(table.n == n, table.id == note_id)
        if not done:
            raise NotThere("There is no such note, or it was taken back already.")
        self._recount(n)

    def clear(self, session_id: str, kind: str, message: int = 0) -> None:
        """Take back what there is of a kind, if there is anything."""
        n = self.session_number(session_id)
        self._remove_kind(n, kind, message)
        self._recount(n)

    def _checked(self, kind: str, value: str) -> str:
        if kind not in KINDS:
            raise Unusable(f"A note is one of {', '.join(KINDS)}.")
        if len(value) > LONGEST[kind]:
            raise Unusable(f"A {kind} has {LONGEST[kind]} characters at most.")
        if not value and kind != "flag":
            raise Unusable(f"The {kind} is empty.")
        if kind == "rating" and value not in map(str, range(1, STARS + 1)):
            raise Unusable(f"A rating is from 1 to {STARS}.")
        return value

    def _check_message(self, n: int, message: int) -> None:
        table = tables.messages.c
        query = sql.select(table.id).where(table.id == message, table.n == n)
        if message and not self.connection.execute(query).first():
            raise NotThere("There is no such message in this session.")

    def _remove_kind(self, n: int, kind: str, message: int) -> None:
        table = tables.notes.c
        self._remove(table.n == n, table.kind == kind, table.message == message)

    def _remove(self, *conditions: Any) -> int:
        change = (
            tables.notes.update()
            .where(*conditions, tables.notes.c.removed_ms == 0)
            .values(removed_ms=_now(), removed_by=self.who)
        )
        return int(self.connection.execute(change).rowcount)

    def _recount(self, n: int) -> None:
        table = tables.notes.c
        query = sql.select(table.kind, table.value).where(table.n == n, table.removed_ms == 0)
        found = self.connection.execute(query.order_by(table.id)).all()
        flags = sum(kind == "flag" for kind, _ in found)
        ratings = [int(value) for kind, value in found if kind == "rating"]
        self.connection.execute(
            tables.sessions.update()
            .where(_s.n == n)
            .values(flags=flags, rating=ratings[-1] if ratings else 0)
        )
        self._facet(n, "state:flagged", flags > 0)

    # Tags

    def tag(self, session_id: str, name: str) -> int:
        """The tag's id; it is made when there is none of the name."""
        n, name = self.session_number(session_id), clean(name).strip()
        if not name or len(name) > LONGEST_TAG:
            raise Unusable(f"A tag has 1 to {LONGEST_TAG} characters.")
        table = tables.tags
        same = sql.select(table.c.id).where(table.c.name == name)
        tag_id = self.connection.execute(same).scalar()
        if tag_id is None:
            count = self.connection.execute(
                sql.select(sql.func.count()).select_from(table)
            ).scalar_one()
            row = table.insert().values(name=name, colour=COLOURS[count % len(COLOURS)])
            tag_id = self.connection.execute(row).inserted_primary_key[0]
        self._facet(n, f"tag:{tag_id}", True)
        return int(tag_id)

    def untag(self, session_id: str, tag_id: int) -> None:
        self._facet(self.session_number(session_id), f"tag:{tag_id}", False)

    def change_tag(self, tag_id: int, name: str, colour: str) -> None:
        if colour not in COLOURS or not 0 < len(name.strip()) <= LONGEST_TAG:
            raise Unusable("A tag needs a name, and one of the colours that there are.")
        table = tables.tags
        taken = sql.select(table.c.id).where(table.c.name == name.strip(), table.c.id != tag_id)
        if self.connection.execute(taken).first():
            raise Unusable("There is a tag of this name already.")
        change = table.update().where(table.c.id == tag_id)
        if not self.connection.execute(change.values(name=name.strip(), colour=colour)).rowcount:
            raise NotThere("There is no such tag.")

    def delete_tag(self, tag_id: int) -> None:
        """Everywhere."""
        facet = tables.facets
        if not self.connection.execute(
            tables.tags.delete().where(tables.tags.c.id == tag_id)
        ).rowcount:
            raise NotThere("There is no such tag.")
        self.connection.execute(facet.delete().where(facet.c.key == f"tag:{tag_id}"))

    # Several at once

    def bulk(self, session_ids: Sequence[str], do: str, tag: str = "") -> int:
        """`do` is a review status, or "tag". How many sessions were changed."""
        for session_id in session_ids:
            if do == "tag":
                self.tag(session_id, tag)
            else:
                self.review(session_id, do)
        return len(session_ids)

    def _facet(self, n: int, key: str, there: bool) -> None:
        facet = tables.facets
        if there:
            row = {"key": key, "n": n}
            self.connection.execute(insert_new(self.connection, facet), row)
        else:
            self.connection.execute(facet.delete().where(facet.c.key == key, facet.c.n == n))


def tags(connection: Connection) -> list[dict[str, Any]]:
    """All of them, by name, and how many sessions have each."""
    table, facet = tables.tags.c, tables.facets.c
    uses = (
        sql.select(facet.key, sql.func.count().label("uses"))
        .where(facet.key >= "tag:", facet.key < "tag;")
        .group_by(facet.key)
    )
    used: dict[str, int] = dict(connection.execute(uses).all())
    query = sql.select(tables.tags).order_by(table.name)
    return [
        {**row, "uses": used.get(f"tag:{row['id']}", 0)}
        for row in connection.execute(query).mappings()
    ]


def _now() -> int:
    return int(time.time() * 1000)
