"""Worker: takes claims from a lane and has them handled side by side, until it is stopped."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from connectors.errors import LeaseLost, StoreUnavailable
from connectors.lanes import BACKOFF_SECONDS, Claim, Lane, backoff
from connectors.watchdog import STALLED_SECONDS, Life, Watchdog

log = structlog.get_logger(__name__)

# A task that will not end must not keep the process: its lease ends by itself.
STOP_SECONDS = 5.0
ASK_AGAIN_SECONDS = 0.1
# Only a net under the wake-up calls, which a broken connection may lose.
LOOK_AGAIN_SECONDS = 1.0


@dataclass(frozen=True)
class WorkerHealth:
    """`silent_seconds`: since it last asked for something to do, although it could do more.
    `full_seconds`: for so long all slots have been in use, and none of them became free."""

    lane: str
    silent_seconds: float
    restarts: int
    in_hand: int
    slots: int
    longest_in_hand_seconds: float
    full_seconds: float


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
        stalled_seconds: float = STALLED_SECONDS,
    ) -> None:
        self.lane = lane
        self.handle = handle
        self.concurrency = concurrency
        self.longest_wait = longest_wait
        self._woken = asyncio.Event()
        self._freed = asyncio.Event()
        self._due_at = 0.0  # when it is worth looking again, by the loop's clock
        self._running: dict[asyncio.Task[None], float] = {}  # each with its begin
        self._unreachable = False
        # Looking ten times within that time is often enough, and more would cost.
        look_every = min(stalled_seconds / 10, LOOK_AGAIN_SECONDS)
        self._taking = Watchdog(lane.name, self._take, stalled_seconds, look_every, look_every)
        self._listening = Watchdog(
            f"{lane.name}.wake_up", self._listen, stalled_seconds, look_every, look_every
        )

    def start(self) -> None:
        self._taking.start()
        self._listening.start()

    @property
    def health(self) -> WorkerHealth:
        """How it is. Memory only."""
        now = time.monotonic()
        return WorkerHealth(
            lane=self.lane.name,
            silent_seconds=self._taking.silent_seconds,
            restarts=self._taking.restarts + self._listening.restarts,
            in_hand=len(self._running),
            slots=self.concurrency,
            longest_in_hand_seconds=now - min(self._running.values(), default=now),
            full_seconds=now - max(self._running.values()) if self._is_full else 0.0,
        )

    @property
    def _is_full(self) -> bool:
        return len(self._running) >= self.concurrency

    @property
    def _loops(self) -> set[asyncio.Task[None]]:
        return self._taking.tasks | self._listening.tasks

    async def stop(self) -> None:
        """Take no more, and give back what is in hand: it is done again, by whoever is next."""
        loops, asked = self._loops, set[asyncio.Task[None]]()
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

    async def _take(self, life: Life) -> None:
        while True:
            await self._until_free(life)
            claim = await self._next(life)
            if life.given_up:  # another one takes by now, and has the slot
                await self._give_back(claim, 0, counts=False)
                return
            task = asyncio.create_task(self._work(claim), name=f"{self.lane.name} claim")
            self._running[task] = time.monotonic()
            task.add_done_callback(self._worked)

    async def _until_free(self, life: Life) -> None:
        life.idle = True
        while self._is_full:
            self._freed.clear()
            await self._freed.wait()
        life.idle = False

    def _worked(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._freed.set()

    async def _next(self, life: Life) -> Claim:
        while True:
            await self._until_due()
            self._woken.clear()
            found: Claim | float = LOOK_AGAIN_SECONDS
            try:
                found = await self.lane.claim()
                self._reached()
            except StoreUnavailable as error:
                self._not_reached(error)
            life.beat()
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

    async def _listen(self, life: Life) -> None:
        while True:
            with suppress(StoreUnavailable):
                async for _ in self.lane.store.listen(self.lane.wake):
                    life.idle = True  # from now on it may be silent for hours
                    self._woken.set()
            life.idle = False
            life.beat()
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
