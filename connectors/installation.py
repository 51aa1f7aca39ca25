"""One installation for each Redis: all who use it have one and the same session log.

Two installations that share a Redis by mistake share turns, too, and each takes half of the session
log into its own database. So whoever uses the session log's database holds a lease in Redis that
names it. With another database one stays out for as long as the lease is renewed; when nobody does
any more, the session log may have been moved, or made anew.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from datetime import datetime, timezone

import structlog

from connectors import keys
from connectors.errors import AnotherInstallation, StoreUnavailable
from connectors.store import Store

log = structlog.get_logger(__name__)

LEASE_SECONDS = 30
RENEW_SECONDS = 10.0
AGAIN_SECONDS = 1.0
# Whoever held it may just have been killed.
WAIT_SECONDS = LEASE_SECONDS + 2.0
NOT_COMPARED = "whose session log is in this Redis was not compared yet"
# A database that is away must not keep anybody from starting: it is compared later.
START_SECONDS = 3.0


class Installation:
    """`database` reads the identity of the session log's database; it may block, and raises
    StoreUnavailable. `conflict` says who else is there, or is ""."""

    def __init__(
        self,
        store: Store,
        database: Callable[[], str],
        wait_seconds: float | None = None,
        lease_seconds: int = LEASE_SECONDS,
    ) -> None:
        self.store = store
        self.database = database
        self.wait_seconds = WAIT_SECONDS if wait_seconds is None else wait_seconds
        self.lease_seconds = lease_seconds
        self.conflict = ""
        self.is_compared = False
        self._identity = ""

    async def join(self) -> None:
        """Hold the lease before anything is started, if Redis and the database can be asked.

        Raises AnotherInstallation when somebody with another database goes on holding it.
        """
        loop = asyncio.get_running_loop()
        until, told = loop.time() + self.wait_seconds, False
        while True:
            try:
                await self.hold(START_SECONDS)
                return
            except StoreUnavailable as error:
                log.info("installation.not_compared", reason=str(error), then="is done later")
                return
            except AnotherInstallation as error:
                if loop.time() > until:
                    raise
                if not told:
                    log.warning("installation.waits", reason=str(error), seconds=self.wait_seconds)
                told = True
            await asyncio.sleep(AGAIN_SECONDS)

    async def run(self) -> None:
        """Renew it, until cancelled."""
        while True:
            try:
                await self.hold()
                self.conflict = ""
            except StoreUnavailable as error:
                log.debug("installation.not_renewed", reason=str(error))
            except AnotherInstallation as error:
                if not self.conflict:
                    log.error("installation.another", reason=str(error))
                self.conflict = str(error)
            await asyncio.sleep(RENEW_SECONDS)

    def not_ours(self) -> str:
        """Why nothing may be taken from the stream yet, or ''."""
        return self.conflict or ("" if self.is_compared else NOT_COMPARED)

    async def hold(self, seconds: float | None = None) -> None:
        """Take or renew the lease. Raises StoreUnavailable and AnotherInstallation."""
        identity = await self._known(seconds)
        held, told = await self.store.step(
            "hold_session_log",
            [keys.SESSION_LOG_HOLDER, keys.SESSION_LOG_LAST],
            [identity, socket.gethostname(), self.lease_seconds],
        )
        if not held:
            raise AnotherInstallation(_who(json.loads(told)))
        self.is_compared = True
        if told and told != identity:
            log.warning("installation.session_log_moved", then="the log goes on in this database")

    async def _known(self, seconds: float | None) -> str:
        if not self._identity:
            reading = asyncio.get_running_loop().run_in_executor(None, self.database)
            done, _ = await asyncio.wait({reading}, timeout=seconds)
            if not done:
                raise StoreUnavailable("SESSION_LOG_URL: the database does not answer")
            self._identity = reading.result()
        return self._identity


def _who(holder: dict[str, object]) -> str:
    since = datetime.fromtimestamp(int(str(holder["since_ms"])) / 1000, timezone.utc)
    return (
        f"another installation, with another SESSION_LOG_URL, uses this Redis: on"
        f" {holder['host']}, since {since:%Y-%m-%d %H:%M} UTC. Give this one a Redis or a database"
        f" number of its own (REDIS_URL=.../1), or stop the other one"
    )
