"""Live: tells open pages which sessions have changed, as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import sqlalchemy as sql
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from review import tables
from review.access import Role, route
from review.database import Database
from review.errors import DatabaseUnavailable

LOOK_SECONDS = 0.5
QUIET_SECONDS = 15.0
MOST = 200


def routes() -> list[Route]:
    return [route("/live", live, Role.VIEWER)]


async def live(request: Request) -> Response:
    """`event: session`, `data: ID` for each session in which something happened.

    The database is asked, and not the taker: another process may be the one that takes.
    """
    return StreamingResponse(
        _events(request), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )


async def _events(request: Request) -> AsyncIterator[str]:
    database, ending = request.app.state.database, request.app.state.ending
    seen = await asyncio.to_thread(_newest, database)
    yield ": here\n\n"
    quiet = 0.0
    while not ending.is_set() and not await request.is_disconnected():
        await _sleep(ending)
        try:
            seen, changed = await asyncio.to_thread(_changed, database, seen)
        except DatabaseUnavailable:
            continue
        quiet = 0.0 if changed else quiet + LOOK_SECONDS
        for session in changed:
            yield f"event: session\ndata: {session}\n\n"
        if quiet >= QUIET_SECONDS:
            quiet = 0.0
            yield ": still here\n\n"  # or a proxy takes the connection for dead


async def _sleep(ending: asyncio.Event) -> None:
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(ending.wait(), LOOK_SECONDS)


def _newest(database: Database) -> int:
    with database.reading() as connection:
        return int(connection.execute(sql.select(sql.func.max(tables.records.c.id))).scalar() or 0)


def _changed(database: Database, seen: int) -> tuple[int, list[str]]:
    table = tables.records.c
    query = sql.select(table.id, table.session).where(table.id > seen).order_by(table.id)
    with database.reading() as connection:
        found = connection.execute(query.limit(MOST)).all()
    sessions = list(dict.fromkeys(session for _, session in found if session))
    return (found[-1][0] if found else seen), sessions
