"""The consent writer: takes each change of consent from Redis to SQL, without the review app.

The steps that change the ledger put the change on a stream of its own, too (lua/_session.lua). It
goes from there into the session log's database within a second or so, and off the stream only when
it is there. A database that is slow or away is noticed by nobody but the log and the health.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from connectors import keys
from connectors.consent_history import Change
from connectors.errors import StoreUnavailable
from connectors.ids import entry_number
from connectors.store import Store, unavailable_is_named

log = structlog.get_logger(__name__)

LOOK_EVERY_SECONDS = 1.0
AGAIN_SECONDS = 5.0
_AT_ONCE = 500


class ConsentWriter:
    """`add` keeps changes in the database, each once; it may block, and raises StoreUnavailable."""

    def __init__(self, store: Store, add: Callable[[Sequence[Change]], None]) -> None:
        self.store = store
        self.add = add
        self._trouble = ""

    async def run(self) -> None:
        """Write what is there, until cancelled. Any number of processes may."""
        while True:
            try:
                while await self.once():
                    pass
                wait = LOOK_EVERY_SECONDS
                self._tell("")
            except StoreUnavailable as error:
                wait = AGAIN_SECONDS
                self._tell(str(error))
            await asyncio.sleep(wait)

    async def once(self) -> int:
        """Write the oldest changes; how many there were. Raises StoreUnavailable."""
        with unavailable_is_named():
            entries = await self.store.client.xrange(keys.CONSENT_LOG, count=_AT_ONCE)
        if not entries:
            return 0
        try:
            changes = [Change.read(entry_number(e["entry"]), e["data"]) for _, e in entries]
        except ValueError as error:
            raise StoreUnavailable(f"{keys.CONSENT_LOG} has {error}") from None
        await asyncio.get_running_loop().run_in_executor(None, self.add, changes)
        with unavailable_is_named():
            await self.store.client.xdel(keys.CONSENT_LOG, *(entry for entry, _ in entries))
        return len(entries)

    async def waiting(self) -> int:
        """How many changes are not in SQL yet. Raises StoreUnavailable."""
        with unavailable_is_named():
            return int(await self.store.client.xlen(keys.CONSENT_LOG))

    def _tell(self, trouble: str) -> None:
        """Once when it begins, and once when it is over."""
        if trouble and not self._trouble:
            log.error(
                "consent.not_in_sql",
                reason=trouble,
                then="opt-outs count all the same, but would be lost with Redis; tries again",
            )
        elif self._trouble and not trouble:
            log.info("consent.in_sql_again")
        self._trouble = trouble
