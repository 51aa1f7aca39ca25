"""Rasa's lock store: one turn at a time for each conversation, in whichever process it runs.

A turn that answers texts has its conversation under the inbox's lease already, and needs no more.
Everything else (REST, `rasa shell`, Rasa's HTTP API) takes the same lease, so nothing runs beside
anything. Whoever waits is woken when the lease is given back, or when it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from rasa.core.lock_store import LockStore

from connectors import keys
from connectors.errors import LeaseLost, StoreUnavailable
from connectors.lanes import Claim, Lane
from connectors.settings import Settings
from connectors.store import Store
from connectors.turn import current_turn


class ConversationLocks(LockStore):
    """endpoints.yml: `lock_store: {type: connectors.conversation_lock.ConversationLocks}`."""

    def __init__(self, endpoint_config: Any = None) -> None:
        super().__init__()
        self.store = Store.connect(Settings.load().redis_url)
        self.lane = Lane(self.store, "inbox", batch=1)

    @asynccontextmanager
    async def lock(self, conversation_id: str, *_: Any, **__: Any) -> AsyncIterator[None]:
        """Waits for as long as it takes. Raises StoreUnavailable."""
        turn = current_turn.get()
        if turn and turn.conversation == conversation_id and not turn.committed:
            yield
            return
        claim = await self._taken(conversation_id)
        renewing = asyncio.create_task(self._renew(claim), name="conversation lock")
        try:
            yield
        finally:
            renewing.cancel()
            with suppress(LeaseLost, StoreUnavailable):  # it ends by itself
                await self.lane.release(claim, 0)

    async def _taken(self, conversation: str) -> Claim:
        found = await self._take(conversation)
        if isinstance(found, Claim):
            return found
        freed = asyncio.Event()
        listening = asyncio.create_task(self._listen(conversation, freed))
        try:
            while True:
                freed.clear()
                found = await self._take(conversation)
                if isinstance(found, Claim):
                    return found
                timer = asyncio.get_running_loop().call_later(found, freed.set)
                await freed.wait()
                timer.cancel()
        finally:
            listening.cancel()

    async def _take(self, conversation: str) -> Claim | float:
        """The lease, or the seconds until somebody else's ends if nobody renews it."""
        lane = self.lane
        fence, left_ms = await self.store.step(
            "lock",
            [lane.due, lane.leases, keys.FENCE],
            [conversation, int(lane.lease_seconds * 1000)],
        )
        return Claim(conversation, int(fence), 1, ()) if fence else left_ms / 1000

    async def _listen(self, conversation: str, freed: asyncio.Event) -> None:
        with suppress(StoreUnavailable):  # then the end of the lease must do
            async for _ in self.store.listen(self.lane.freed(conversation)):
                freed.set()

    async def _renew(self, claim: Claim) -> None:
        while True:
            await asyncio.sleep(self.lane.lease_seconds / 3)
            try:
                await self.lane.renew(claim)
            except StoreUnavailable:
                continue
            except LeaseLost:
                return
