"""A limit of time that knows a slow server from a process of ours that stood still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

# A timer that goes off so much too late tells of this process: it was stopped, or busy. What came
# meanwhile lies in the socket, and gets a moment to be read.
STOOD_STILL_SECONDS = 0.05
MOMENT_SECONDS = 0.25


class PatientTimer:
    """Calls `ring` after so many seconds; a little later if this process stood still meanwhile."""

    def __init__(self, seconds: float, ring: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() + seconds
        self._ring = ring
        self._handle = self._loop.call_at(self._due, self._go_off)

    def cancel(self) -> None:
        self._handle.cancel()

    def _go_off(self) -> None:
        if self._loop.time() - self._due < STOOD_STILL_SECONDS:
            self._ring()
        else:
            self._handle = self._loop.call_later(MOMENT_SECONDS, self._ring)


@asynccontextmanager
async def time_limit(seconds: float) -> AsyncIterator[None]:
    """Cancels what takes longer. Raises asyncio.TimeoutError then."""
    task, rung = asyncio.current_task(), False
    assert task is not None

    def ring() -> None:
        nonlocal rung
        rung = True
        task.cancel()

    timer = PatientTimer(seconds, ring)
    try:
        yield
    except asyncio.CancelledError:
        if rung:
            raise asyncio.TimeoutError from None
        raise
    finally:
        timer.cancel()
