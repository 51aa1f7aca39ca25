"""One model's endpoint under load: so many requests at once, a queue before it, and a breaker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import async_timeout

from actions.model import Answer, ModelClient, NoAnswer, Question
from actions.openai_api import Sends
from connectors.settings import Model

# So many failures in a row, and it is not asked for a while, if there is another to ask.
FAILURES_IN_A_ROW = 3
LEFT_ALONE_SECONDS = 15.0
# What says that the endpoint is not well; the others are about a single request.
_UNWELL = {"timeout", "unreachable", "server_error", "rate_limited", "key_refused", "malformed"}
# How much a new duration counts in the average of the last ones.
_NEWEST_SHARE = 0.2


class Endpoint:
    """`at_once` requests are with the model; the others wait their turn, first come first served.

    Who cannot be served in time any more is told at once, so that those before it are: a queue in
    which everybody waits until it is too late would answer nobody.
    """

    def __init__(self, model: Model, at_once: int) -> None:
        self.client = ModelClient(model)
        self.at_once = at_once
        self.waiting = 0
        self.breaker = Breaker()
        self._slots = asyncio.Semaphore(at_once)
        self._typical_seconds = 0.0

    async def ask(
        self, question: Question, *, seconds: float, sends: Sends | None = None
    ) -> Answer:
        """The answer within so many seconds, the wait for a turn included. Raises NoAnswer."""
        end = time.monotonic() + seconds
        try:
            async with self._turn(seconds):
                began = time.monotonic()
                try:
                    left = max(end - began, 0.1)
                    answer = await self.client.ask(question, seconds=left, sends=sends)
                finally:
                    self._took(time.monotonic() - began)
        except NoAnswer as failure:
            self.breaker.failed(failure.reason)
            raise
        self.breaker.answered()
        return answer

    async def close(self) -> None:
        await self.client.close()

    @asynccontextmanager
    async def _turn(self, seconds: float) -> AsyncIterator[None]:
        # Those who are with the model, those who wait before us, and then our own.
        rounds = 1 + self.waiting / self.at_once + 1
        if self._slots.locked() and rounds * self._typical_seconds > seconds:
            raise NoAnswer("overloaded", f"{self.waiting} requests wait for the model already")
        self.waiting += 1
        try:
            async with async_timeout.timeout(seconds):
                await self._slots.acquire()
        except asyncio.TimeoutError:
            raise NoAnswer(
                "overloaded", f"no turn within {seconds:.0f} s; see LLM_CALLS_AT_ONCE"
            ) from None
        finally:
            self.waiting -= 1
        try:
            yield
        finally:
            self._slots.release()

    def _took(self, seconds: float) -> None:
        before = self._typical_seconds or seconds
        self._typical_seconds = before + _NEWEST_SHARE * (seconds - before)


class Breaker:
    """Knows when an endpoint had better be left alone. After a while one request may try it."""

    def __init__(self, alone_seconds: float = LEFT_ALONE_SECONDS) -> None:
        self.alone_seconds = alone_seconds
        self._failures = 0
        self._until = 0.0

    def lets_pass(self) -> bool:
        """May somebody ask? After the pause one may, and the others wait for what it finds."""
        if self._failures < FAILURES_IN_A_ROW:
            return True
        if time.monotonic() < self._until:
            return False
        self._until = time.monotonic() + self.alone_seconds
        return True

    def failed(self, reason: str) -> None:
        if reason in _UNWELL:
            self._failures += 1
            self._until = time.monotonic() + self.alone_seconds

    def answered(self) -> None:
        self._failures = 0
