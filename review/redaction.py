"""Redaction: bodies at Twilio that have to go after their customer is deleted, one by one."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Collection, Sequence

import sqlalchemy as sql
import structlog
from sqlalchemy.engine import Connection

from connectors.errors import SendRefused, SendUnavailable, SendUnknown
from review import tables
from review.database import Database, insert_new
from review.errors import DatabaseUnavailable

log = structlog.get_logger(__name__)

LOOK_SECONDS = 5.0
AT_ONCE = 50
CALLS_AT_ONCE = 4
FIRST_WAIT_MS = 10_000  # most are emptied as soon as they have arrived
LONGEST_WAIT_MS = 3_600_000

Redact = Callable[[str], Awaitable[None]]

_r = tables.redactions.c


class Redactor:
    """Empties messages at Twilio. Several may: an empty one can be emptied again."""

    def __init__(self, database: Database, redact: Redact) -> None:
        self.database = database
        self.redact = redact

    async def now(self, sids: Collection[str]) -> list[str]:
        """Empty these; those that Twilio still has, because they are on their way or it is away."""
        at_once = asyncio.Semaphore(CALLS_AT_ONCE)

        async def one(sid: str) -> bool:
            async with at_once:
                try:
                    await self.redact(sid)
                except (SendRefused, SendUnavailable, SendUnknown) as error:
                    log.warning("privacy.not_at_twilio", sid=sid, reason=str(error))
                    return False
                return True

        ordered = sorted(sids)
        done = await asyncio.gather(*map(one, ordered))
        return [sid for sid, emptied in zip(ordered, done, strict=True) if not emptied]

    async def run(self) -> None:
        """What was left for later, until cancelled."""
        while True:
            try:
                await self.once()
            except DatabaseUnavailable:
                pass  # the taker says so
            except Exception:
                log.error("redaction.failed", trace=traceback.format_exc(), then="tries again")
            await asyncio.sleep(LOOK_SECONDS)

    async def once(self) -> int:
        """Try what is due; how much that was."""
        due = await asyncio.to_thread(self._due)
        if due:
            left = set(await self.now([sid for sid, _ in due]))
            await asyncio.to_thread(self._note, due, left)
        return len(due)

    def _due(self) -> list[tuple[str, int]]:
        query = sql.select(_r.sid, _r.tries).where(_r.due_ms <= _now()).order_by(_r.due_ms)
        with self.database.reading() as connection:
            return [
                (str(sid), int(tries)) for sid, tries in connection.execute(query.limit(AT_ONCE))
            ]

    def _note(self, due: Sequence[tuple[str, int]], left: Collection[str]) -> None:
        with self.database.writing() as connection:
            for sid, tries in due:
                if sid in left:
                    later = tables.redactions.update().where(_r.sid == sid)
                    wait = min(FIRST_WAIT_MS * 2 ** min(tries, 20), LONGEST_WAIT_MS)
                    connection.execute(later.values(tries=tries + 1, due_ms=_now() + wait))
                else:
                    connection.execute(tables.redactions.delete().where(_r.sid == sid))


def redact_later(connection: Connection, sids: Collection[str]) -> None:
    """Once the transaction is over."""
    if sids:
        new = [{"sid": sid, "due_ms": _now()} for sid in sorted(sids)]
        connection.execute(insert_new(connection, tables.redactions), new)


def waiting(connection: Connection) -> int:
    """How many messages of deleted customers Twilio still has."""
    query = sql.select(sql.func.count()).select_from(tables.redactions)
    return int(connection.execute(query).scalar_one())


def _now() -> int:
    return int(time.time() * 1000)
