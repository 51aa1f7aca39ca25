"""Watchdog: keeps tasks going that shall never end, and replaces those that no longer progress."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

log = structlog.get_logger(__name__)

LOOK_EVERY_SECONDS = 1.0
# Every question to Redis is answered, or has failed, long before that.
STALLED_SECONDS = 10.0
# A task that fails at once must not fail a thousand times a second.
AGAIN_SECONDS = 1.0


class Life:
    """One run of a watched task, from its start until it ends or is given up."""

    def __init__(self) -> None:
        self.given_up = False
        self.rounds = 0
        self.idle = False

    def beat(self) -> None:
        """The task calls it at the end of each round: it still gets somewhere."""
        self.rounds += 1


class Watchdog:
    """Runs `run` until it is cancelled itself, however `run` ends.

    With `stalled_seconds`, a run that says nothing for so long (see Life.beat) while it is not idle
    is cancelled, and another one takes over, even if the old one ignores that it is cancelled.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[Life], Coroutine[Any, Any, None]],
        stalled_seconds: float | None = None,
        look_every_seconds: float = LOOK_EVERY_SECONDS,
        again_seconds: float = AGAIN_SECONDS,
    ) -> None:
        self.name = name
        self.restarts = 0
        self._run = run
        self._looks = stalled_seconds and max(int(stalled_seconds / look_every_seconds), 1)
        self._look_every_seconds = look_every_seconds
        self._again_seconds = again_seconds
        self._life = Life()
        self._silent_looks = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._keep(asyncio.create_task(self._watch(), name=f"{self.name} watchdog"))

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """All that has to be cancelled for an end, those that were given up included."""
        return set(self._tasks)

    @property
    def silent_seconds(self) -> float:
        """Since the last round, to a second or so; 0 while there is nothing to wait for."""
        return self._silent_looks * self._look_every_seconds

    def cancel(self) -> None:
        for task in self.tasks:
            task.cancel()

    async def _watch(self) -> None:
        while True:
            self._life = life = Life()
            run = asyncio.create_task(self._run(life), name=self.name)
            self._keep(run)
            try:
                await self._until_lost(run, life)
            finally:
                life.given_up = True
                run.cancel()
            self.restarts += 1
            await asyncio.sleep(self._again_seconds)

    async def _until_lost(self, run: asyncio.Task[None], life: Life) -> None:
        """Until the run has ended, or gets nowhere. Looks are counted, and not seconds: when the
        whole process stood still, nobody is to blame."""
        seen = self._silent_looks = 0
        while not run.done():
            await asyncio.wait({run}, timeout=self._look_every_seconds)
            silent = life.rounds == seen and not life.idle
            self._silent_looks = self._silent_looks + 1 if silent else 0
            seen = life.rounds
            if self._looks and self._silent_looks >= self._looks and not run.done():
                self._tell_stalled()
                return
        self._tell_ended(run)

    def _tell_stalled(self) -> None:
        log.error(
            f"{self.name}.stalled",
            silent_seconds=round(self.silent_seconds, 1),
            then="it is cancelled, and another one takes over",
        )

    def _tell_ended(self, run: asyncio.Task[None]) -> None:
        error = None if run.cancelled() else run.exception()
        log.error(
            f"{self.name}.ended",
            reason=_reason(run, error),
            again_in_seconds=self._again_seconds,
            # Formatted here: structlog would print local variables, and thus texts.
            trace=_trace(error),
        )

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._let_go)

    def _let_go(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # it was told, or the run had been given up


def _reason(run: asyncio.Task[None], error: BaseException | None) -> str:
    if run.cancelled():
        return "what it waited for was cancelled"
    return "it came to an end" if error is None else str(error) or type(error).__name__


def _trace(error: BaseException | None) -> str:
    return "".join(traceback.format_exception(error)) if error else ""


def keep_going(name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> Watchdog:
    """Start something that goes on until the watchdog is cancelled, whatever it raises."""
    watchdog = Watchdog(name, lambda life: run())
    watchdog.start()
    return watchdog
