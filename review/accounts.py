"""Accounts: the people who may sign in, their roles and passwords."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from review import passwords, tables
from review.access import Role
from review.auditing import note
from review.database import Database
from review.errors import NotThere, Unusable

ADMINISTRATOR = "admin"
LONGEST_NAME = 60

_u = tables.users.c


class Accounts:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def first_administrator(self, password: str) -> str:
        """Make `admin` if nobody is there yet. The password if it was made up here, else ""."""
        anybody = sql.select(_u.id).limit(1)
        with self.database.reading() as connection:
            if connection.execute(anybody).first():
                return ""
        made_up = "" if password else passwords.made_up()
        kept = passwords.hashed(password or made_up)
        with self.database.writing() as connection:
            if connection.execute(anybody).first():
                return ""
            self._insert(connection, ADMINISTRATOR, kept, Role.ADMINISTRATOR)
        return made_up

    def people(self) -> list[Mapping[str, Any]]:
        """Without their passwords."""
        columns = (_u.id, _u.name, _u.role, _u.created_ms, _u.disabled_ms)
        with self.database.reading() as connection:
            return list(connection.execute(sql.select(*columns).order_by(_u.name)).mappings())

    def add(self, name: str, password: str, role: Role, by: str) -> None:
        """Raises Unusable."""
        name, kept = checked_name(name), passwords.hashed(password)
        with self.database.writing() as connection:
            if connection.execute(sql.select(_u.id).where(_u.name == name)).first():
                raise Unusable(f"There is a {name} already.")
            self._insert(connection, name, kept, role)
            note(connection, by, "added a person", details=f"{name}, {role.word}")

    def _insert(self, connection: Connection, name: str, kept: str, role: Role) -> None:
        connection.execute(
            tables.users.insert().values(
                name=name, password=kept, role=role.word, created_ms=_now()
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
            values["password"] = passwords.hashed(password)
        if disabled is not None:
            values["disabled_ms"] = _now() if disabled else 0
        with self.database.writing() as connection:
            name = connection.execute(sql.select(_u.name).where(_u.id == user_id)).scalar()
            if name is None or not values:
                raise Unusable("There is no such person, or nothing to change.")
            self._change(connection, user_id, values)
            self._check_administrator_is_left(connection)
            changed = ", ".join(sorted(values))
            note(connection, by, "changed a person", details=f"{name}: {changed}")

    def set_password(self, name: str, password: str, by: str) -> None:
        """For who has lost theirs, has been sent away, or has tried too often: they may come in.

        Whoever is signed in under the name is not any more. Raises NotThere and Unusable.
        """
        kept = passwords.hashed(password)
        with self.database.writing() as connection:
            user_id = connection.execute(sql.select(_u.id).where(_u.name == name)).scalar()
            if user_id is None:
                raise NotThere(f"There is nobody called {name}.")
            self._change(connection, int(user_id), {"password": kept, "disabled_ms": 0})
            tries = tables.failed_signins
            connection.execute(tries.delete().where(tries.c.who == tried(name)))
            note(connection, by, "set a password", details=name)

    def _change(self, connection: Connection, user_id: int, values: Mapping[str, Any]) -> None:
        connection.execute(tables.users.update().where(_u.id == user_id).values(values))
        theirs = tables.signins.c.user_id == user_id
        connection.execute(tables.signins.delete().where(theirs))

    def _check_administrator_is_left(self, connection: Connection) -> None:
        left = sql.select(_u.id).where(_u.role == Role.ADMINISTRATOR.word, _u.disabled_ms == 0)
        if not connection.execute(left.limit(1)).first():
            raise Unusable("Nobody would be left who may administer.")


def checked_name(name: str) -> str:
    """The name of a person or a token. Raises Unusable."""
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise Unusable(f"A name has 1 to {LONGEST_NAME} characters.")
    return name


def tried(name: str) -> str:
    """What failed tries to sign in are counted under."""
    return f"name {name[:LONGEST_NAME]}"


def _now() -> int:
    return int(time.time() * 1000)
