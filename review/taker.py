"""Taker: brings the session log from the stream into SQL, in order, each entry once.

What a batch becomes is written in one transaction together with the entries' ids; only after it
is on the disk are the entries taken off the stream. Killed in between, the next taker finds the
entries again, sees that they are known, and takes them off. Several takers are safe: SQL lets one
write at a time.
"""

from __future__ import annotations

import asyncio
import json
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from connectors import keys
from connectors.errors import StoreUnavailable
from connectors.ids import entry_number
from connectors.session_log import CONSENT
from connectors.store import Store, unavailable_is_named
from review import announcements
from review.batch import Batch, kept
from review.batch_reading import known, load
from review.batch_writing import flush
from review.database import Database, is_about_values
from review.erased import Erased, sids_in, sids_of
from review.errors import BadRecord, DatabaseUnavailable
from review.projection import Projection
from review.record import Record, clean, read_record

log = structlog.get_logger(__name__)

BATCH = 500
WAIT_SECONDS = 1.0
# A turn leaves half a dozen entries. Each on its own is a transaction, and would cost as much time
# of the processor as the turn itself.
GATHER_SECONDS = 0.25
NEWS_SECONDS = 5.0

Entry = tuple[str, Mapping[str, str]]


@dataclass
class Progress:
    """`waiting` entries are on the stream, `taken` were brought over since the start."""

    waiting: int = 0
    taken: int = 0
    trouble: str = ""


class Taker:
    """`run` until cancelled; `once` takes what is there now.

    `not_ours` says why the stream is another installation's, or is "".
    """

    def __init__(
        self,
        store: Store,
        database: Database,
        projection: Projection,
        not_ours: Callable[[], str] = str,
    ) -> None:
        self.not_ours = not_ours
        self.store = store
        self.database = database
        self.projection = projection
        self.progress = Progress()
        # Who waits for the stream to be empty must not miss what is in hand.
        self._one_at_a_time = asyncio.Lock()
        self._news_at = 0.0
        self._behind = False

    async def run(self) -> None:
        """Never ends by itself: what is away is waited for."""
        while True:
            try:
                if why := self.not_ours():
                    raise StoreUnavailable(why)
                taken = await self._batch()
                self._is_well()
                if taken < BATCH:
                    await asyncio.sleep(GATHER_SECONDS)
            except (StoreUnavailable, DatabaseUnavailable) as error:
                self._is_ill(str(error))
                await asyncio.sleep(WAIT_SECONDS)
            except Exception:
                self._is_ill("a mistake of ours, see the log")
                log.error("session_log.failed", trace=traceback.format_exc(), then="tries again")
                await asyncio.sleep(WAIT_SECONDS)

    async def once(self) -> int:
        """Take batches until the stream is empty; how many entries it had."""
        total = 0
        while taken := await self._batch():
            total += taken
        return total

    async def _batch(self) -> int:
        async with self._one_at_a_time:
            entries = await self._entries()
            if entries:
                await asyncio.to_thread(self.take, entries)
                await self._remove(entries)
                await self._count(len(entries))
            return len(entries)

    async def _entries(self) -> Sequence[Entry]:
        with unavailable_is_named():
            found: Sequence[Entry] = await self.store.client.xrange(keys.LOG, count=BATCH)
        return found

    async def _remove(self, entries: Sequence[Entry]) -> None:
        with unavailable_is_named():
            await self.store.client.xdel(keys.LOG, *(entry_id for entry_id, _ in entries))

    async def _count(self, taken: int) -> None:
        with unavailable_is_named():
            self.progress.waiting = await self.store.client.xlen(keys.LOG)
        self.progress.taken += taken
        self._behind = self._behind or self.progress.waiting > BATCH
        if self._behind and time.monotonic() > self._news_at + NEWS_SECONDS:
            self._news_at = time.monotonic()
            log.info("session_log.catching_up", **_shown(self.progress))
        if self._behind and not self.progress.waiting:
            self._behind = False
            log.info("session_log.caught_up", **_shown(self.progress))

    def take(self, entries: Sequence[Entry]) -> None:
        """Write entries in one transaction. Raises DatabaseUnavailable; then nothing is written."""
        try:
            with self.database.writing() as connection:
                self._write(Batch(connection), entries)
        except (SQLAlchemyError, OverflowError, ValueError) as error:
            if not is_about_values(error):
                raise
            # One of them is what SQL will not have: find it, and take the others.
            if len(entries) == 1:
                self._set_aside(entries[0], type(error).__name__)
            else:
                middle = len(entries) // 2
                self.take(entries[:middle])
                self.take(entries[middle:])

    def _write(self, batch: Batch, entries: Sequence[Entry]) -> None:
        numbers = {entry_id: entry_number(entry_id) for entry_id, _ in entries}
        taken = known(batch.connection, numbers.values())
        new = [(numbers[name], fields) for name, fields in entries if numbers[name] not in taken]
        erased = Erased.among(batch.connection, (fields for _, fields in new))
        records = [
            record
            for number, fields in new
            if not self._leave_out(batch, erased, number, fields)
            and (record := self._read(batch, number, fields))
        ]
        load(batch, records)
        for record in records:
            if erased.may_cover(record) and batch.message(record.data) is None:
                batch.redactions |= sids_of(record.data)
                continue
            try:
                self.projection.apply(batch, record)
            except (ArithmeticError, ValueError, TypeError, LookupError, AttributeError) as error:
                # It is kept whole all the same; only what it means is not understood.
                why = f"a {clean(record.kind)} of an unknown form ({type(error).__name__})"
                log.warning("session_log.set_aside", entry=record.id, reason=why)
                batch.aside.append(_aside(record.id, why, {}))
        flush(batch)
        announcements.write(batch)

    def _leave_out(
        self, batch: Batch, erased: Erased, number: int, fields: Mapping[str, str]
    ) -> bool:
        """Is it of a customer who was deleted? What they said about wanting texts stays known."""
        if not erased.covers(number, fields):
            return False
        if fields.get("kind") != CONSENT:
            batch.redactions |= sids_in(fields.get("data", ""))
        elif record := self._read(batch, number, {**fields, "session": ""}):
            batch.records.append(kept(record, None))
        return True

    def _read(self, batch: Batch, number: int, fields: Mapping[str, str]) -> Record | None:
        try:
            return read_record(number, fields)
        except BadRecord as error:
            log.warning("session_log.set_aside", entry=number, reason=str(error))
            batch.aside.append(_aside(number, str(error), fields))
            return None

    def _set_aside(self, entry: Entry, why: str) -> None:
        number, (_, fields) = entry_number(entry[0]), entry
        log.warning("session_log.set_aside", entry=number, reason=why)
        with self.database.writing() as connection:
            batch = Batch(connection)
            erased = Erased.among(connection, [fields])
            if not erased.covers(number, fields) and number not in known(connection, [number]):
                batch.aside.append(_aside(number, why, fields))
                flush(batch)

    def _is_ill(self, trouble: str) -> None:
        if self.progress.trouble != trouble:
            log.warning("session_log.waits", reason=trouble, then="nothing is lost; tries again")
        self.progress.trouble = trouble

    def _is_well(self) -> None:
        if self.progress.trouble:
            log.info("session_log.goes_on", **_shown(self.progress))
        self.progress.trouble = ""


def _aside(number: int, why: str, fields: Mapping[str, str]) -> dict[str, object]:
    return {"id": number, "why": why, "entry": clean(json.dumps(dict(fields)))}


def _shown(progress: Progress) -> dict[str, object]:
    return {"waiting": progress.waiting, "taken": progress.taken}
