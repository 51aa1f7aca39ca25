"""Retention: sessions that are old enough go by themselves."""

from __future__ import annotations

import asyncio
import time
import traceback

import sqlalchemy as sql
import structlog
from sqlalchemy.engine import Connection

from connectors.ids import first_entry_number
from connectors.session_log import CONSENT
from review import tables
from review.auditing import note
from review.customer_data import delete_sessions
from review.database import Database
from review.errors import DatabaseUnavailable, Unusable

log = structlog.get_logger(__name__)

OPTION = "retention_days"  # 0 keeps everything
LONGEST_DAYS = 3_650
DAY_MS = 86_400_000
LOOK_SECONDS = 600.0
AT_ONCE = 200

_s = tables.sessions.c


def retention_days(connection: Connection) -> int:
    table = tables.options
    query = sql.select(table.c.value).where(table.c.name == OPTION)
    return int(connection.execute(query).scalar() or 0)


def set_retention(connection: Connection, days: int, who: str) -> None:
    """0 keeps everything. Raises Unusable."""
    if not 0 <= days <= LONGEST_DAYS:
        raise Unusable(f"Sessions are kept for 1 to {LONGEST_DAYS} days, or with 0 for ever.")
    table = tables.options
    connection.execute(table.delete().where(table.c.name == OPTION))
    connection.execute(table.insert().values(name=OPTION, value=str(days)))
    note(connection, who, "set how long sessions are kept", details=f"{days} days")


class Retention:
    """`run` until cancelled: sessions whose time is over go by themselves."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def run(self) -> None:
        while True:
            try:
                deleted = 0
                while some := await asyncio.to_thread(self.once):
                    deleted += some
                if deleted:
                    await asyncio.to_thread(self.database.purge)
            except DatabaseUnavailable:
                pass  # the taker says so
            except Exception:
                log.error("retention.failed", trace=traceback.format_exc(), then="tries again")
            await asyncio.sleep(LOOK_SECONDS)

    def once(self) -> int:
        """Delete some; how many. A session's time runs from its last message."""
        with self.database.reading() as connection:
            days = retention_days(connection)
            if not days:
                return 0
            before = int(time.time() * 1000) - days * DAY_MS
            query = sql.select(_s.n).where(_s.last_ms < before).limit(AT_ONCE)
            old = list(connection.execute(query).scalars())
        with self.database.writing() as connection:
            if old:
                delete_sessions(connection, old)
                note(connection, "retention", "deleted old sessions", details=str(len(old)))
            return len(old) + _delete_old_strays(connection, before)


def _delete_old_strays(connection: Connection, before_ms: int) -> int:
    """Such as texts of customers who had opted out. How many."""
    records, aside, before = tables.records, tables.set_aside, first_entry_number(before_ms)
    said = sql.and_(records.c.n == 0, records.c.kind != CONSENT, records.c.id < before)
    deletes = (records.delete().where(said), aside.delete().where(aside.c.id < before))
    return sum(int(connection.execute(delete).rowcount) for delete in deletes)
