"""The ledger: who has opted out of which of our numbers. It outlives sessions, and Redis.

Accepting a text and committing a turn write it, in the same atomic step; the session log has every
entry. When Redis has lost it, it is read back from the session log's database, and until that is
done nothing is sent to anybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from connectors import keys
from connectors.consent import out_state
from connectors.consent_history import Consent
from connectors.errors import StoreUnavailable
from connectors.ids import conversation_id
from connectors.session_life import session_keys
from connectors.store import Store

log = structlog.get_logger(__name__)

LOOK_EVERY_SECONDS = 1.0
AGAIN_SECONDS = 5.0
_AT_ONCE = 500


class Ledger:
    """`history` reads the last word about everybody from the database; it may block."""

    def __init__(self, store: Store, history: Callable[[], Sequence[Consent]]) -> None:
        self.store = store
        self.history = history
        self._told = False

    async def run(self) -> None:
        """Read it back whenever it is not whole, until cancelled."""
        while True:
            try:
                await self.make_whole()
                wait, self._told = LOOK_EVERY_SECONDS, False
            except StoreUnavailable as error:
                self._tell(error)
                wait = AGAIN_SECONDS
            await asyncio.sleep(wait)

    async def make_whole(self) -> bool:
        """Read it back from the session log if need be; False if it was whole.

        Raises StoreUnavailable.
        """
        if await self.is_whole():
            return False
        words = await asyncio.get_running_loop().run_in_executor(None, self.history)
        while not await self._recall(words):
            self.store.forget_id_key()
        log.info("ledger.read_back", conversations=len(words))
        return True

    async def is_whole(self) -> bool:
        whole = await self.store.field(keys.CONSENT, "whole")
        return whole is not None and whole == await self.store.get(keys.ID_KEY)

    async def word(self, conversation: str) -> str:
        """What it says about a conversation; "" for who was never out."""
        return await self.store.field(keys.CONSENT, conversation) or ""

    async def opt_out(self, business: str, customer: str, how: str) -> bool:
        """Note that a customer is out, and end their session; False if that was known.

        For what no text of theirs said to us: Twilio's 21610, or an operator.
        """
        conversation = conversation_id(await self.store.id_key(), business, customer)
        answer = await self.store.step(
            "opt_out",
            [*session_keys(conversation), keys.CONSENT],
            [conversation, business, customer, out_state(how), how],
        )
        return bool(answer)

    async def _recall(self, words: Sequence[Consent]) -> bool:
        """False if Redis has lost its data meanwhile."""
        id_key = await self.store.id_key()
        for start in range(0, max(len(words), 1), _AT_ONCE):
            given = [
                each
                for business, customer, word in words[start : start + _AT_ONCE]
                for each in (conversation_id(id_key, business, customer), word)
            ]
            is_last = start + _AT_ONCE >= len(words)
            arguments = [id_key, "1" if is_last else "0", *given]
            if not await self.store.step("recall", [keys.CONSENT, keys.ID_KEY], arguments):
                return False
        return True

    def _tell(self, error: StoreUnavailable) -> None:
        if not self._told:
            log.error(
                "ledger.not_read_back",
                reason=str(error),
                then="texts are accepted, nothing is sent until it is",
            )
        self._told = True
