"""A session log on each database that we keep it in."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql
from argon2 import PasswordHasher

from connectors.store import Store
from review import passwords
from review.database import Database
from tests.postgresql import Postgresql
from tests.review.office import Office, open_office


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """Slow on purpose is right for people, and nothing that every test has to wait for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        )
        yield


def fresh_url(kind: str, folder: Path, request: Any) -> str:
    """The address of an empty database."""
    if kind == "sqlite":
        return f"sqlite:///{folder / 'session_log.db'}"
    server: Postgresql = request.getfixturevalue("postgresql")
    name = f"t{uuid.uuid4().hex[:12]}"
    engine = sql.create_engine(server.url(), isolation_level="AUTOCOMMIT", future=True)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return server.url(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: Any, tmp_path: Path) -> Iterator[Database]:
    database = Database.at(fresh_url(request.param, tmp_path, request))
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """For what does not depend on the database."""
    database = Database.at(f"sqlite:///{tmp_path / 'session_log.db'}")
    database.migrate()
    yield database
    database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def each_office(request: Any, tmp_path: Path, valkey_url: str, store: Store) -> Iterator[Office]:
    """The app on each database, and on an empty stream."""
    with open_office(fresh_url(request.param, tmp_path, request), valkey_url, tmp_path) as office:
        yield office


@pytest.fixture
def office(tmp_path: Path, valkey_url: str, store: Store) -> Iterator[Office]:
    """For what does not depend on the database."""
    with open_office(f"sqlite:///{tmp_path / 'session_log.db'}", valkey_url, tmp_path) as office:
        yield office
