"""Waits until the session log has what was said."""

from __future__ import annotations

import asyncio
from typing import Any

import async_timeout
from sqlalchemy import func, select

from review import tables
from review.database import Database
from tests.review.office import WAIT_S


async def until_said(database: Database, count: int) -> None:
    """Until the database has so many messages."""
    query = select(func.count()).select_from(tables.messages)
    async with async_timeout.timeout(WAIT_S):
        while await asyncio.to_thread(_count, database, query) < count:
            await asyncio.sleep(0.02)


def _count(database: Database, query: Any) -> int:
    with database.reading() as connection:
        return int(connection.execute(query).scalar_one())
