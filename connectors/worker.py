"""Worker: takes claims from a lane and has them handled side by side, until it is stopped."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from connectors.errors import LeaseLost, StoreUnavailable
from connectors.lanes import BACKOFF_SECONDS, Claim, Lane, backoff

log = structlog.get_logger(__name__)

# A task that will not end must not keep the process: its lease ends by itself.
STOP_SECONDS = 5.0
ASK_AGAIN_SECONDS = 0.1
# Only a net under the wake-up calls, which a broken connection may lose.
LOOK_AGAIN_SECONDS = 1.0


class Worker:
    """Takes claims from a lane and handles up to `concurrency` of them side by side.

    `handle` ends a claim itself (by a commit, say) or raises; what it raises is logged and the
    claim is tried again after `longest_wait` seconds at most.
    """

    def __init__(
        self,
        lane: Lane,
        handle: Callable[[Claim], Awaitable[None]],
        concurrency: int,
        longest_wait: float = BACKOFF_SECONDS[-1],
    ) -> None:
        self.lane = lane
        self.handle = handle
        self.longest_wait = longest_wait
        self._slots = asyncio.Semaphore(concurrency)
        self._woken = asyncio.Event()
        self._due_at = 0.0  # when it is worth looking again, by the loop's clock
        self._running: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._unreachable = False

    def start(self) -> None:
        self._loops = [
            asyncio.create_task(self._take(), name=f"{self.lane.name} worker"),
            asyncio.create_task(self._listen(), name=f"{self.lane.name} wake-up"),
        ]

    async def stop(self) -> None:
        """Take no more, and give back what is in hand: it is done again, by whoever is next."""
        loops, asked = set(self._loops), set[asyncio.Task[None]]()
        until = time.monotonic() + STOP_SECONDS
        while (left := self._left()) and time.monotonic() < until:
            for task in left - asked:
                task.cancel()
            # A loop is asked again: redis-py connects under asyncio.wait_for, which can swallow it.
            # Work in hand is not: it gives back what it holds, and shall not be disturbed.
            asked |= left - loops
            await asyncio.wait(left, timeout=ASK_AGAIN_SECONDS)

    def _left(self) -> set[asyncio.Task[None]]:
        return {task for task in (*self._loops, *self._running) if not task.done()}

    async def _take(self) -> None:
        while True:
            await self._slots.acquire()
            try:
                claim = await self._next()
            except BaseException:
                self._slots.release()
                raise
            task = asyncio.create_task(self._work(claim), name=f"{self.lane.name} claim")
            self._running.add(task)
            task.add_done_callback(self._worked)

    def _worked(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._slots.release()

    async def _next(self) -> Claim:
        while True:
            await self._until_due()
            self._woken.clear()
            found: Claim | float = LOOK_AGAIN_SECONDS
            try:
                found = await self.lane.claim()
                self._reached()
            except StoreUnavailable as error:
                self._not_reached(error)
            wait = found.next_seconds if isinstance(found, Claim) else found
            self._due_at = asyncio.get_running_loop().time() + min(wait, LOOK_AGAIN_SECONDS)
            if isinstance(found, Claim):
                return found

    async def _until_due(self) -> None:
        """Until something is due, as far as is known, or somebody says so."""
        loop = asyncio.get_running_loop()
        if self._due_at <= loop.time():
            return
        # Not asyncio.wait_for: before Python 3.12 it can swallow the cancellation of a stop.
        timer = loop.call_at(self._due_at, self._woken.set)
        await self._woken.wait()
        timer.cancel()

    async def _listen(self) -> None:
        while True:
            try:
                async for _ in self.lane.store.listen(self.lane.wake):
                    self._woken.set()
            except StoreUnavailable:
                await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def _work(self, claim: Claim) -> None:
        renewing = asyncio.create_task(self._renew(claim, asyncio.current_task()))
        try:
            await self.handle(claim)
        except LeaseLost:
            log.warning(f"{self.lane.name}.lease_lost", conversation=claim.conversation)
        except asyncio.CancelledError:
            # Stopping, or the lease is gone: then there is nothing to give back.
            await self._give_back(claim, 0, counts=False)
            raise
        except Exception as error:
            delay = backoff(claim.tries, self.longest_wait)
            log.error(
                f"{self.lane.name}.failed",
                conversation=claim.conversation,
                tries=claim.tries,
                again_in_seconds=round(delay, 1),
                reason=str(error),
                # Formatted here: structlog would print local variables, and thus texts.
                trace=traceback.format_exc(),
            )
            await self._give_back(claim, delay)
        finally:
            renewing.cancel()

    async def _give_back(self, claim: Claim, delay: float, *, counts: bool = True) -> None:
        with suppress(LeaseLost, StoreUnavailable):  # the lease ends by itself
            await self.lane.release(claim, delay, counts=counts)

    async def _renew(self, claim: Claim, work: asyncio.Task[None] | None) -> None:
        while True:
            await asyncio.sleep(self.lane.lease_seconds / 3)
            try:
                await self.lane.renew(claim)
            except StoreUnavailable:
                continue  # what the work writes is fenced; it need not stop for this
            except LeaseLost:
                if work is not None:
                    work.cancel()
                return

    def _reached(self) -> None:
        if self._unreachable:
            log.info("redis.back", lane=self.lane.name)
        self._unreachable = False

    def _not_reached(self, error: StoreUnavailable) -> None:
        if not self._unreachable:
            log.error("redis.unreachable", lane=self.lane.name, reason=str(error))
        self._unreachable = True
