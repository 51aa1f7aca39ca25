"""Accounts: people with passwords, programs with tokens, and who is signed in."""

from __future__ import annotations

import functools
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sql
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy.engine import Connection
from starlette.requests import HTTPConnection

from connectors.errors import SmsError
from connectors.settings import SHORTEST_PASSWORD
from review import tables
from review.access import COOKIE, NOBODY, Person, Role
from review.auditing import note
from review.database import Database

ADMINISTRATOR = "admin"
LONGEST_NAME = 60
LONGEST_PASSWORD = 200
IDLE_MS = 12 * 3_600_000
SIGNED_IN_MS = 7 * 24 * 3_600_000
SEEN_EVERY_MS = 60_000
WINDOW_MS = 5 * 60_000
FAILURES_OF_A_NAME = 5
FAILURES_OF_AN_ADDRESS = 30

# 64 MiB for each check: not more than two at once.
_hasher = PasswordHasher()
_checking = threading.BoundedSemaphore(2)


class NotSignedIn(SmsError):
    """Wrong name or password, and nobody says which."""


class TooManyTries(SmsError):
    """Wait some minutes, whether the password is right or not."""


class Unusable(SmsError):
    """What was asked for cannot be done: the message says why."""


@dataclass(frozen=True)
class SignIn:
    """`secret` is the cookie's value."""

    secret: str
    person: Person


class Accounts:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self.database = database

    # Who is asking

    def who(self, request: HTTPConnection) -> Person:
        """NOBODY if neither cookie nor token is good."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._of_token(token.strip())
        secret = request.cookies.get(COOKIE, "")
        return self._of_cookie(secret) if secret else NOBODY

    def _of_cookie(self, secret: str) -> Person:
        now = _now()
        users, signins = tables.users.c, tables.signins.c
        query = (
            sql.select(users.name, users.role, signins.created_ms, signins.seen_ms)
            .join(tables.signins, signins.user_id == users.id)
            .where(signins.secret == _digest(secret), users.disabled_ms == 0)
        )
        with self.database.reading() as connection:
            found = connection.execute(query).mappings().first()
        if found is None or found["created_ms"] < now - SIGNED_IN_MS:
            return NOBODY
        if found["seen_ms"] < now - IDLE_MS:
            return NOBODY
        if found["seen_ms"] < now - SEEN_EVERY_MS:
            self._seen(tables.signins, "seen_ms", secret, now)
        return Person(found["name"], Role.of(found["role"]), _csrf(secret))

    def _of_token(self, token: str) -> Person:
        table = tables.tokens.c
        query = sql.select(tables.tokens).where(
            table.secret == _digest(token), table.revoked_ms == 0
        )
        with self.database.reading() as connection:
            found = connection.execute(query).mappings().first()
        if found is None:
            return NOBODY
        if found["used_ms"] < _now() - SEEN_EVERY_MS:
            self._seen(tables.tokens, "used_ms", token, _now())
        return Person(f"token {found['name']}", Role.of(found["role"]))

    def _seen(self, table: sql.Table, column: str, secret: str, now: int) -> None:
        with self.database.writing() as connection:
            same = table.c.secret == _digest(secret)
            connection.execute(table.update().where(same).values({column: now}))

    # Signing in and out

    def sign_in(self, name: str, password: str, address: str) -> SignIn:
        """Raises NotSignedIn and TooManyTries."""
        names = (f"name {name[:LONGEST_NAME]}", f"address {address}")
        with self.database.reading() as connection:
            self._check_tries(connection, names)
            user = (
                connection.execute(
                    sql.select(tables.users).where(
                        tables.users.c.name == name, tables.users.c.disabled_ms == 0
                    )
                )
                .mappings()
                .first()
            )
        if not _is_right(user["password"] if user else _nobodys_password(), password) or not user:
            self._note_failure(names)
            raise NotSignedIn("Name or password is wrong.")
        secret, now = secrets.token_urlsafe(32), _now()
        with self.database.writing() as connection:
            old = tables.signins.c.created_ms < now - SIGNED_IN_MS
            connection.execute(tables.signins.delete().where(old))
            connection.execute(
                tables.signins.insert().values(
                    secret=_digest(secret), user_id=user["id"], created_ms=now, seen_ms=now
                )
            )
            note(connection, name, "signed in")
        return SignIn(secret, Person(name, Role.of(user["role"]), _csrf(secret)))

    def _check_tries(self, connection: Connection, names: tuple[str, str]) -> None:
        table = tables.failed_signins.c
        for who, most in zip(names, (FAILURES_OF_A_NAME, FAILURES_OF_AN_ADDRESS), strict=True):
            query = sql.select(sql.func.count()).where(
                table.who == who, table.at_ms > _now() - WINDOW_MS
            )
            if connection.execute(query).scalar_one() >= most:
                raise TooManyTries("Too many wrong passwords: try again in five minutes.")

    def _note_failure(self, names: tuple[str, str]) -> None:
        table = tables.failed_signins
        with self.database.writing() as connection:
            connection.execute(table.delete().where(table.c.at_ms < _now() - WINDOW_MS))
            connection.execute(table.insert(), [{"who": who, "at_ms": _now()} for who in names])

    def sign_out(self, secret: str) -> None:
        with self.database.writing() as connection:
            table = tables.signins
            connection.execute(table.delete().where(table.c.secret == _digest(secret)))

    # People

    def first_administrator(self, password: str) -> str:
        """Make `admin` if nobody is there yet. The password if it was made up here, else ""."""
        anybody = sql.select(tables.users.c.id).limit(1)
        with self.database.reading() as connection:
            if connection.execute(anybody).first():
                return ""
        made_up = "" if password else secrets.token_urlsafe(12)
        hashed = _hasher.hash(password or made_up)
        with self.database.writing() as connection:
            if connection.execute(anybody).first():
                return ""
            self._insert(connection, ADMINISTRATOR, hashed, Role.ADMINISTRATOR)
        return made_up

    def people(self) -> list[Mapping[str, Any]]:
        table = tables.users.c
        columns = (table.id, table.name, table.role, table.created_ms, table.disabled_ms)
        with self.database.reading() as connection:
            query = sql.select(*columns).order_by(table.name)
            return list(connection.execute(query).mappings())

    def add(self, name: str, password: str, role: Role, by: str) -> None:
        """Raises Unusable."""
        name = name.strip()
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise Unusable(f"A name has 1 to {LONGEST_NAME} characters.")
        hashed = _hashed(password)
        with self.database.writing() as connection:
            if connection.execute(
                sql.select(tables.users).where(tables.users.c.name == name)
            ).first():
                raise Unusable(f"There is a {name} already.")
            self._insert(connection, name, hashed, role)
            note(connection, by, "added a person", details=f"{name}, {role.word}")

    def _insert(self, connection: Connection, name: str, hashed: str, role: Role) -> None:
        connection.execute(
            tables.users.insert().values(
                name=name, password=hashed, role=role.word, created_ms=_now()
            )
        )

    def change(
        self,
        user_id: int,
        by: str,
        *,
        role: Role | None = None,
        password: str | None = None,
        disabled: bool | None = None,
    ) -> None:
        """Whoever is changed signs in anew. Raises Unusable."""
        values: dict[str, Any] = {}
        if role is not None:
            values["role"] = role.word
        if password is not None:
            values["password"] = _hashed(password)
        if disabled is not None:
            values["disabled_ms"] = _now() if disabled else 0
        table = tables.users
        with self.database.writing() as connection:
            user = (
                connection.execute(sql.select(table).where(table.c.id == user_id))
                .mappings()
                .first()
            )
            if user is None or not values:
                raise Unusable("There is no such person, or nothing to change.")
            connection.execute(table.update().where(table.c.id == user_id).values(values))
            connection.execute(tables.signins.delete().where(tables.signins.c.user_id == user_id))
            self._check_administrator_is_left(connection)
            changed = ", ".join(sorted(values))
            note(connection, by, "changed a person", details=f"{user['name']}: {changed}")

    def _check_administrator_is_left(self, connection: Connection) -> None:
        table = tables.users.c
        left = sql.select(table.id).where(
            table.role == Role.ADMINISTRATOR.word, table.disabled_ms == 0
        )
        if not connection.execute(left.limit(1)).first():
            raise Unusable("Nobody would be left who may administer.")

    # Tokens

    def new_token(self, name: str, role: Role, by: str) -> str:
        """The token, which is shown this once. Raises Unusable."""
        if not name.strip() or len(name) > LONGEST_NAME:
            raise Unusable(f"A name has 1 to {LONGEST_NAME} characters.")
        token = f"review_{secrets.token_urlsafe(32)}"
        with self.database.writing() as connection:
            connection.execute(
                tables.tokens.insert().values(
                    name=name.strip(),
                    secret=_digest(token),
                    role=role.word,
                    author=by,
                    created_ms=_now(),
                )
            )
            note(connection, by, "made a token", details=f"{name.strip()}, {role.word}")
        return token

    def tokens(self) -> list[Mapping[str, Any]]:
        table = tables.tokens.c
        columns = [column for column in table if column.name != "secret"]
        with self.database.reading() as connection:
            return list(connection.execute(sql.select(*columns).order_by(table.id)).mappings())

    def revoke_token(self, token_id: int, by: str) -> None:
        table = tables.tokens
        with self.database.writing() as connection:
            connection.execute(
                table.update()
                .where(table.c.id == token_id, table.c.revoked_ms == 0)
                .values(revoked_ms=_now())
            )
            note(connection, by, "revoked a token", details=str(token_id))


@functools.cache
def _nobodys_password() -> str:
    """A name that is none takes as long to refuse as a wrong password."""
    return _hasher.hash(secrets.token_hex(16))


def _is_right(hashed: str, password: str) -> bool:
    with _checking:
        try:
            return _hasher.verify(hashed, password[:LONGEST_PASSWORD])
        except (Argon2Error, InvalidHashError):
            return False


def _hashed(password: str) -> str:
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise Unusable(f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.")
    return _hasher.hash(password)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _csrf(secret: str) -> str:
    return hmac.new(secret.encode(), b"csrf", hashlib.sha256).hexdigest()


def _now() -> int:
    return int(time.time() * 1000)
