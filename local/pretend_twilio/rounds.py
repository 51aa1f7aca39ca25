"""Posts one form as chaos mode has it: in copies, late, held back for another to overtake, never.

Calm, that is: once, at once. Every post is kept with what the business answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping

from local.pretend_twilio.config import PretendConfig
from local.pretend_twilio.store import Answer, Message, Post, Store
from local.pretend_twilio.troubles import Posting
from local.pretend_twilio.webhooks import Courier

LOST = Answer(None, None, "never posted to the business")


class Rounds:
    def __init__(self, config: PretendConfig, store: Store, courier: Courier) -> None:
        self.config = config
        self.store = store
        self.courier = courier
        # Who is held back, by what must overtake it; at most one each.
        self._held: dict[str, asyncio.Event] = {}

    async def go(
        self, posting: Posting, among: str, message: Message, url: str, form: Mapping[str, str]
    ) -> Answer:
        """Posts the form, and says what came of it. `among` names those that may overtake it."""
        overtaken = self._held.pop(among, None)
        try:
            if posting.held_ms:
                await self._be_overtaken(among, posting.held_ms)
            answers = await self._copies(posting, message, url, form)
        finally:
            if overtaken:
                overtaken.set()
        taken = (answer for answer in answers if answer.taken)
        return next(taken, answers[-1] if answers else LOST)

    async def _be_overtaken(self, among: str, at_most_ms: int) -> None:
        overtaken = self._held[among] = asyncio.Event()
        try:
            await asyncio.wait_for(overtaken.wait(), at_most_ms / 1000)
        except asyncio.TimeoutError:
            if self._held.get(among) is overtaken:
                del self._held[among]

    async def _copies(
        self, posting: Posting, message: Message, url: str, form: Mapping[str, str]
    ) -> list[Answer]:
        def copy(delay_ms: int) -> Awaitable[Answer]:
            return self._copy(delay_ms, message, url, form)

        if posting.in_turn:
            return [await copy(delay_ms) for delay_ms in posting.delays_ms]
        return await asyncio.gather(*map(copy, posting.delays_ms))

    async def _copy(
        self, delay_ms: int, message: Message, url: str, form: Mapping[str, str]
    ) -> Answer:
        if delay_ms:
            await asyncio.sleep(delay_ms / 1000)
        post = Post(message.status, self.config.clock())
        self.store.posted(message, post)
        post.answer = await self.courier.deliver(url, form)
        post.answered = self.config.clock()
        return post.answer
