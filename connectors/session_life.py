"""The life of a session: it ends so long after the last message, either way.

Accepting a text and committing a turn open and renew it (lua/_session.lua); STOP ends it at once.
Otherwise its keys end by themselves, all in the same millisecond. That is an event for nobody, so
the ends are kept in an index, and whoever sweeps first puts the end on record.
"""

from __future__ import annotations

import asyncio

import structlog

from connectors import keys
from connectors.errors import StoreUnavailable
from connectors.store import Store, unavailable_is_named

log = structlog.get_logger(__name__)

LOOK_AGAIN_SECONDS = 10.0
_AT_ONCE = 500


def session_keys(conversation: str) -> list[str]:
    """The first keys of every step that opens, renews or ends a session."""
    return [
        keys.session(conversation),
        keys.events(conversation),
        keys.said(conversation),
        keys.SESSION_ENDS,
        keys.SESSION_IDS,
        keys.LOG,
    ]


class SessionLife:
    """Notices ends."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def sweep(self) -> float:
        """Put on record which sessions have run out; the seconds until there may be more.

        Raises StoreUnavailable.
        """
        with unavailable_is_named():
            seconds, microseconds = await self.store.client.time()
            now = seconds * 1000 + microseconds // 1000
            over = await self.store.client.zrangebyscore(
                keys.SESSION_ENDS, 0, now, start=0, num=_AT_ONCE
            )
        for conversation in over:
            if await self.store.step("end", session_keys(conversation), [conversation]):
                log.info("session.ended", conversation=conversation, reason="inactivity")
        with unavailable_is_named():
            first = await self.store.client.zrange(keys.SESSION_ENDS, 0, 0, withscores=True)
        wait = (first[0][1] - now) / 1000 if first else LOOK_AGAIN_SECONDS
        return min(max(wait, 0.05), LOOK_AGAIN_SECONDS)

    async def run(self) -> None:
        """Sweep until cancelled. Any number of processes may."""
        while True:
            try:
                wait = await self.sweep()
            except StoreUnavailable:  # the workers say so
                wait = LOOK_AGAIN_SECONDS
            await asyncio.sleep(wait)
