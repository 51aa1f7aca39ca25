"""Texts that Twilio has and we never got: while we were down, its webhook failed for good."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import async_timeout
import structlog

from connectors import keys
from connectors.errors import (
    SendRefused,
    SendUnavailable,
    SendUnknown,
    SmsError,
    StoreUnavailable,
)
from connectors.house_rules import TOO_OLD
from connectors.ids import mask
from connectors.inbox import Inbox
from connectors.twilio_api import ReceivedText, TwilioApi

log = structlog.get_logger(__name__)

EVERY_SECONDS = 300.0
AGAIN_SECONDS = 1.0
# A webhook may be under way while we look, and Twilio's clock is not ours.
OVERLAP_SECONDS = 600.0
# Who texted longer ago does not wait for an answer any more; it is logged, and that is all.
ANSWER_SECONDS = 3600.0


class Reconciler:
    """Asks Twilio for the inbound messages since the last look, and accepts those never seen."""

    def __init__(
        self, inbox: Inbox, twilio: TwilioApi, numbers: Callable[[], Iterable[str]]
    ) -> None:
        self.inbox = inbox
        self.twilio = twilio
        self.numbers = numbers
        # Up to which change of the Redis server texts that it may lack were looked for.
        self.done_for_ms = 0

    async def run(self) -> None:
        """Look now, every five minutes, and when the Redis server has changed; until cancelled."""
        while True:
            store, wait = self.inbox.store, EVERY_SECONDS
            store.has_changed.clear()
            changed_ms = store.server_changed_ms
            try:
                await self.look()
                self.done_for_ms = changed_ms
            except (StoreUnavailable, SendRefused, SendUnavailable, SendUnknown) as error:
                wait = AGAIN_SECONDS if store.server_changed_ms > self.done_for_ms else wait
                log.warning("reconcile.failed", reason=str(error), again_in_seconds=wait)
            with suppress(asyncio.TimeoutError):
                async with async_timeout.timeout(wait):
                    await store.has_changed.wait()

    async def look(self) -> int:
        """The number of texts that were accepted late. Raises what Redis and Twilio raise.

        The first look ever finds nothing: what came before we were here is not ours to answer.
        """
        began, store = time.time(), self.inbox.store
        first = float(await store.get(keys.RECONCILED_FIRST) or began)
        last = float(await store.get(keys.RECONCILED_LAST) or began)
        found, failures = 0, list[SmsError]()
        for number in self.numbers():
            try:
                since = max(first, last - OVERLAP_SECONDS)
                for received in await self.twilio.received(number, since):
                    found += await self._take(received, failures)
            except (SendRefused, SendUnavailable, SendUnknown) as error:
                failures.append(error)  # the other numbers' texts are looked for all the same
        if failures:
            raise failures[0]
        await store.put(keys.RECONCILED_FIRST, str(first))
        await store.put(keys.RECONCILED_LAST, str(began))
        return found

    async def _take(self, received: ReceivedText, failures: list[SmsError]) -> bool:
        """What cannot be accepted now must not hold up a STOP that comes after it."""
        try:
            return await self._accept(received)
        except StoreUnavailable as error:
            failures.append(error)
            return False

    async def _accept(self, received: ReceivedText) -> bool:
        text, age = received.text, time.time() - received.sent_seconds
        # STOP counts however late it is heard of.
        late = age > ANSWER_SECONDS and not self.inbox.rules.request(text).ask
        refuse = TOO_OLD if late else ""
        news = bool(await self.inbox.accept(text, received.sent_seconds, refuse=refuse))
        if news:
            log.warning(
                "sms.missed" if late else "sms.recovered",
                sid=text.sid,
                customer=mask(text.customer),
                age_seconds=round(age),
            )
        return news and not late
