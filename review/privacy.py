"""Privacy: everything of one customer, to hand over or to delete, and sessions that are old enough.

Deleting goes from the outside in, Twilio, Redis, SQL, so that whatever fails on the way can be
done again: what is needed for it goes last.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sql
import structlog
from sqlalchemy.engine import Connection

from connectors.errors import SendRefused, SendUnavailable, SendUnknown
from connectors.forget import forget
from connectors.ids import first_entry_number, mask
from connectors.session_log import CONSENT
from connectors.store import Store
from review import listing, reading, tables
from review.auditing import note
from review.database import Database
from review.errors import DatabaseUnavailable, NotAtTwilio, NotThere, Unusable
from review.prices import Prices
from review.taker import Taker

log = structlog.get_logger(__name__)

RETENTION = "retention_days"  # the option; 0 keeps everything
LONGEST_DAYS = 3_650
DAY_MS = 86_400_000
LOOK_SECONDS = 600.0
AT_ONCE = 200
CALLS_AT_ONCE = 4

_s = tables.sessions.c
Redact = Callable[[str], Awaitable[None]]


def customer_sessions(connection: Connection, session_id: str) -> list[dict[str, Any]]:
    """All sessions of the customer of this one, with all our numbers. Raises NotThere."""
    this = connection.execute(
        sql.select(_s.customer, _s.conversation).where(_s.id == session_id)
    ).first()
    if this is None:
        raise NotThere("There is no such session, or it was deleted.")
    # A conversation in `rasa shell` has no number.
    same = _s.customer == this.customer if this.customer else _s.conversation == this.conversation
    query = sql.select(_s.n, _s.id, _s.conversation, _s.customer).where(same).order_by(_s.n)
    return [dict(row) for row in connection.execute(query).mappings()]


def export(connection: Connection, session_id: str, prices: Prices, who: str) -> dict[str, Any]:
    """Everything that is kept of a customer. Raises NotThere."""
    found = customer_sessions(connection, session_id)
    note(connection, who, "exported a customer", session=session_id)
    sessions = (reading.session(connection, row["id"], prices, listing.NO_TIME) for row in found)
    told = [reading.with_prompts(connection, each) for each in sessions if each]
    return {"customer": found[0]["customer"], "sessions": told}


class Eraser:
    """Deletes customers."""

    def __init__(self, store: Store, database: Database, taker: Taker, redact: Redact) -> None:
        self.store = store
        self.database = database
        self.taker = taker
        self.redact = redact

    async def erase(self, session_id: str, who: str) -> int:
        """How many sessions the customer had.

        Raises NotThere, NotAtTwilio, StoreUnavailable and DatabaseUnavailable.
        """
        sessions, sids = await asyncio.to_thread(self._find, session_id)
        await self._redact_all(sids)
        for conversation in {row["conversation"] for row in sessions}:
            await forget(self.store, conversation)
        # What is on its way to SQL would come after us.
        await self.taker.once()
        return await asyncio.to_thread(self._delete, session_id, who)

    def _find(self, session_id: str) -> tuple[list[dict[str, Any]], list[str]]:
        with self.database.reading() as connection:
            sessions = customer_sessions(connection, session_id)
            sids = [
                str(message["sid"])
                for row in sessions
                for message in reading.messages_of(connection, row["n"])
                if message["sid"]
            ]
        return sessions, sids

    async def _redact_all(self, sids: Sequence[str]) -> None:
        at_once, failed = asyncio.Semaphore(CALLS_AT_ONCE), 0

        async def one(sid: str) -> bool:
            async with at_once:
                try:
                    await self.redact(sid)
                except (SendRefused, SendUnavailable, SendUnknown) as error:
                    log.warning("privacy.not_at_twilio", sid=sid, reason=str(error))
                    return False
                return True

        failed = (await asyncio.gather(*map(one, sids))).count(False)
        if failed:
            raise NotAtTwilio(
                f"Twilio still has {failed} of {len(sids)} messages, so nothing was deleted here:"
                " try again. Messages that are still on their way cannot be emptied."
            )

    def _delete(self, session_id: str, who: str) -> int:
        with self.database.writing() as connection:
            sessions = customer_sessions(connection, session_id)
            delete_sessions(connection, [row["n"] for row in sessions])
            _delete_strays(connection, sessions)
            told = f"{mask(sessions[0]['customer'])}: {len(sessions)} sessions"
            note(connection, who, "deleted a customer", details=told)
        self.database.purge()
        return len(sessions)


def delete_sessions(connection: Connection, numbers: Sequence[int]) -> None:
    """With all that was said in them and about them. Figures of days stay.

    So do opt-outs: they outlive the session, and Redis learns them from here when it lost them.
    """
    messages = tables.messages
    for n in numbers:
        first = n * tables.MESSAGES_OF_A_SESSION
        last = first + tables.MESSAGES_OF_A_SESSION
        ids = sql.and_(messages.c.id >= first, messages.c.id < last)
        connection.execute(messages.delete().where(ids))
    records = tables.records
    theirs = records.c.n.in_(numbers)
    connection.execute(records.delete().where(theirs, records.c.kind != CONSENT))
    connection.execute(records.update().where(theirs).values(n=0, session=""))
    for table in (tables.facets, tables.notes, tables.reviews, tables.sessions):
        connection.execute(table.delete().where(table.c.n.in_(numbers)))


def _delete_strays(connection: Connection, sessions: Sequence[Mapping[str, Any]]) -> None:
    """What was said outside any session, and entries that could not be read."""
    records, aside = tables.records, tables.set_aside
    conversations = {str(row["conversation"]) for row in sessions}
    connection.execute(
        records.delete().where(
            records.c.n == 0, records.c.kind != CONSENT, records.c.conversation.in_(conversations)
        )
    )
    for word in conversations | {str(row["customer"]) for row in sessions} - {""}:
        connection.execute(aside.delete().where(aside.c.entry.contains(word, autoescape=True)))


def _delete_old_strays(connection: Connection, before_ms: int) -> int:
    """Such as texts of customers who had opted out. How many."""
    records, aside, before = tables.records, tables.set_aside, first_entry_number(before_ms)
    said = sql.and_(records.c.n == 0, records.c.kind != CONSENT, records.c.id < before)
    deletes = (records.delete().where(said), aside.delete().where(aside.c.id < before))
    return sum(int(connection.execute(delete).rowcount) for delete in deletes)


# How long sessions are kept


def retention_days(connection: Connection) -> int:
    table = tables.options
    query = sql.select(table.c.value).where(table.c.name == RETENTION)
    return int(connection.execute(query).scalar() or 0)


def set_retention(connection: Connection, days: int, who: str) -> None:
    """0 keeps everything. Raises Unusable."""
    if not 0 <= days <= LONGEST_DAYS:
        raise Unusable(f"Sessions are kept for 1 to {LONGEST_DAYS} days, or with 0 for ever.")
    table = tables.options
    connection.execute(table.delete().where(table.c.name == RETENTION))
    connection.execute(table.insert().values(name=RETENTION, value=str(days)))
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
