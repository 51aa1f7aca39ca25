"""Log limit: looks every second how long the log stream is, and says when it becomes too long.

The look itself (lua/probe.lua) marks the stream as full, or not any more; accept.lua minds it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from connectors.errors import StoreUnavailable
from connectors.health import full_log
from connectors.probe import Probe, Prober

log = structlog.get_logger(__name__)

LOOK_EVERY_SECONDS = 1.0


class LogLimit:
    """Any number of processes may look."""

    def __init__(self, prober: Prober) -> None:
        self.prober = prober
        self._was_full = False
        self._warned = False

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            with suppress(StoreUnavailable):  # the workers say so
                self.tell(await self.prober.probe())
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    def tell(self, probe: Probe) -> None:
        """Once when it begins, and once when it ends."""
        if probe.log_is_full and not self._was_full:
            log.error("session_log.full", reason=full_log(probe.log_bytes, probe.log_limit_bytes))
        elif self._was_full and not probe.log_is_full:
            log.info("session_log.not_full", then="texts are accepted again")
        self._was_full = probe.log_is_full
        if probe.log_is_long and not self._warned:
            log.warning(
                "session_log.half_full",
                bytes=probe.log_bytes,
                limit=probe.log_limit_bytes,
                do="start the review app, or texts get 503 at the limit",
            )
        self._warned = probe.log_is_long
