"""A database has one identity, whoever asks first."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from connectors.database_identity import database_id
from connectors.errors import StoreUnavailable
from review.database import Database
from tests.review.conftest import fresh_url

pytestmark = pytest.mark.integration


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: Any, tmp_path: Path) -> str:
    """Of a database in which nobody has made a table."""
    return fresh_url(request.param, tmp_path / "not there yet", request)


def test_all_who_ask_at_once_hear_the_same(url: str) -> None:
    with ThreadPoolExecutor(6) as asking:
        heard = set(asking.map(database_id, [url] * 12))
    assert len(heard) == 1
    assert re.fullmatch("[0-9a-f]{32}", heard.pop())


def test_the_review_app_leaves_it_as_it_is(url: str) -> None:
    before = database_id(url)
    database = Database.at(url)
    database.migrate()
    database.close()
    assert database_id(url) == before


def test_another_database_has_another(tmp_path: Path) -> None:
    assert database_id(f"sqlite:///{tmp_path}/a.db") != database_id(f"sqlite:///{tmp_path}/b.db")


def test_a_database_that_is_away_is_named() -> None:
    with pytest.raises(StoreUnavailable, match="SESSION_LOG_URL"):
        database_id("postgresql://ada:secret@127.0.0.1:9/log")
