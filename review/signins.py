"""Sign-ins: who is asking, by the cookie of a browser or the token of a program."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sql
from sqlalchemy.engine import Connection
from starlette.requests import HTTPConnection

from review import passwords, tables
from review.access import COOKIE, NOBODY, Person, Role
from review.accounts import tried
from review.auditing import note
from review.database import Database
from review.errors import NotSignedIn, TooManyTries
from review.record import clean
from review.tokens import SEEN_EVERY_MS, Tokens, digest

IDLE_MS = 12 * 3_600_000
SIGNED_IN_MS = 7 * 24 * 3_600_000
WINDOW_MS = 5 * 60_000
FAILURES_OF_A_NAME = 5
FAILURES_OF_AN_ADDRESS = 30

_s = tables.signins.c
_f = tables.failed_signins.c
_u = tables.users.c


@dataclass(frozen=True)
class SignIn:
    """`secret` is the cookie's value."""

    secret: str
    person: Person


class SignIns:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.tokens = Tokens(database)

    def who(self, request: HTTPConnection) -> Person:
        """NOBODY if neither cookie nor token is good."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.tokens.who(token.strip())
        secret = request.cookies.get(COOKIE, "")
        return self._of_cookie(secret) if secret else NOBODY

    def _of_cookie(self, secret: str) -> Person:
        now = _now()
        query = (
            sql.select(_u.name, _u.role, _s.created_ms, _s.seen_ms)
            .join(tables.signins, _s.user_id == _u.id)
            .where(_s.secret == digest(secret), _u.disabled_ms == 0)
        )
        with self.database.reading() as connection:
            found = connection.execute(query).mappings().first()
        if found is None or found["created_ms"] < now - SIGNED_IN_MS:
            return NOBODY
        if found["seen_ms"] < now - IDLE_MS:
            return NOBODY
        if found["seen_ms"] < now - SEEN_EVERY_MS:
            self._seen(secret, now)
        return Person(found["name"], Role.of(found["role"]), _csrf(secret))

    def _seen(self, secret: str, now: int) -> None:
        with self.database.writing() as connection:
            this = tables.signins.update().where(_s.secret == digest(secret))
            connection.execute(this.values(seen_ms=now))

    def sign_in(self, name: str, password: str, address: str) -> SignIn:
        """Raises NotSignedIn and TooManyTries."""
        name = clean(name)
        tries = self._try(tried(name), f"address {address}")
        with self.database.reading() as connection:
            query = sql.select(tables.users).where(_u.name == name, _u.disabled_ms == 0)
            user = connection.execute(query).mappings().first()
        if not passwords.is_right(user and user["password"], password) or user is None:
            raise NotSignedIn("Name or password is wrong.")
        return self._signed_in(user, tries)

    def _try(self, *whose: str) -> Sequence[int]:
        """Count it before it is checked, or many at once would all be checked; the rows' ids."""
        now = _now()
        with self.database.writing() as connection:
            connection.execute(tables.failed_signins.delete().where(_f.at_ms < now - WINDOW_MS))
            self._check_tries(connection, whose)
            rows = [tables.failed_signins.insert().values(who=who, at_ms=now) for who in whose]
            return [int(connection.execute(row).inserted_primary_key[0]) for row in rows]

    def _check_tries(self, connection: Connection, whose: Sequence[str]) -> None:
        for who, most in zip(whose, (FAILURES_OF_A_NAME, FAILURES_OF_AN_ADDRESS), strict=True):
            query = sql.select(sql.func.count()).where(_f.who == who)
            if connection.execute(query).scalar_one() >= most:
                raise TooManyTries("Too many wrong passwords: try again in five minutes.")

    def _signed_in(self, user: Mapping[str, Any], tries: Sequence[int]) -> SignIn:
        secret, now, name = secrets.token_urlsafe(32), _now(), str(user["name"])
        row = {"secret": digest(secret), "user_id": user["id"], "created_ms": now, "seen_ms": now}
        # Checking took a while: who was changed or sent away meanwhile must not come in after it.
        same = sql.select(_u.id).where(
            _u.id == user["id"], _u.password == user["password"], _u.disabled_ms == 0
        )
        with self.database.writing() as connection:
            if not connection.execute(same).first():
                raise NotSignedIn("Name or password is wrong.")
            connection.execute(tables.failed_signins.delete().where(_f.id.in_(tries)))
            connection.execute(tables.signins.delete().where(_s.created_ms < now - SIGNED_IN_MS))
            connection.execute(tables.signins.insert().values(row))
            note(connection, name, "signed in")
        return SignIn(secret, Person(name, Role.of(user["role"]), _csrf(secret)))

    def sign_out(self, secret: str) -> None:
        with self.database.writing() as connection:
            connection.execute(tables.signins.delete().where(_s.secret == digest(secret)))


def _csrf(secret: str) -> str:
    return hmac.new(secret.encode(), b"csrf", hashlib.sha256).hexdigest()


def _now() -> int:
    return int(time.time() * 1000)
