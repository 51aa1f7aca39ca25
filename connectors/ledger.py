"""The ledger: who has opted out of which of our numbers. It outlives sessions, and Redis.

Accepting a text and committing a turn write it, in the same atomic step; SQL has every change a
moment later (see consent_writer). When Redis has lost it, it is read back from there, and until
that is done nothing is sent to anybody. A Redis that has lost only its last moments, as after a
failover, looks whole: so what changed lately is compared with SQL every minute.
"""

from __future__ import annotations

import asyncio
import time
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
COMPARE_EVERY_SECONDS = 60.0
# A replica that becomes the master is seconds behind, an hour at the very worst.
COMPARED_SECONDS = 3600.0
_AT_ONCE = 500


class Ledger:
    """`history` reads the last word about everybody from the database, and `lately` about those who
    changed it since so many milliseconds since 1970; they may block."""

    def __init__(
        self,
        store: Store,
        history: Callable[[], Sequence[Consent]],
        lately: Callable[[int], Sequence[Consent]] = lambda since_ms: (),
    ) -> None:
        self.store = store
        self.history = history
        self.lately = lately
        self._told = False
        self._compare_at = 0.0

    async def run(self) -> None:
        """Read it back whenever it is not whole, and compare it now and then, until cancelled."""
        while True:
            try:
                await self.make_whole()
                await self._compare_now_and_then()
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
        while await self._recall(words, is_all=True) < 0:
            self.store.forget_id_key()
        log.info("ledger.read_back", conversations=len(words))
        return True

    async def compare(self) -> int:
        """Learn what SQL knows better about the last hour; how many words that were.

        Raises StoreUnavailable.
        """
        since = int((time.time() - COMPARED_SECONDS) * 1000)
        words = await asyncio.get_running_loop().run_in_executor(None, self.lately, since)
        learned = max(await self._recall(words), 0) if words else 0
        if learned:
            log.warning("ledger.had_lost_some", conversations=learned)
        return learned

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

    async def _recall(self, words: Sequence[Consent], is_all: bool = False) -> int:
        """How many of them were news; -1 if Redis has lost its data meanwhile."""
        id_key, news = await self.store.id_key(), 0
        for start in range(0, max(len(words), 1), _AT_ONCE):
            given = [
                each
                for business, customer, word, at_ms in words[start : start + _AT_ONCE]
                for each in (conversation_id(id_key, business, customer), word, at_ms)
            ]
            is_last = is_all and start + _AT_ONCE >= len(words)
            arguments = [id_key, "1" if is_last else "0", *given]
            learned = await self.store.step("recall", [keys.CONSENT, keys.ID_KEY], arguments)
            if learned < 0:
                return -1
            news += learned
        return news

    async def _compare_now_and_then(self) -> None:
        if time.monotonic() < self._compare_at:
            return
        self._compare_at = time.monotonic() + COMPARE_EVERY_SECONDS
        try:
            await self.compare()
        except StoreUnavailable as error:
            log.info("ledger.not_compared", reason=str(error), again_in=COMPARE_EVERY_SECONDS)

    def _tell(self, error: StoreUnavailable) -> None:
        if not self._told:
            log.error(
                "ledger.not_read_back",
                reason=str(error),
                then="texts are accepted, nothing is sent until it is",
            )
        self._told = True
