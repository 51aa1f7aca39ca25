"""The watchdog: what shall never end goes on, whatever happens to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import async_timeout
import pytest
from structlog.testing import capture_logs

from connectors.watchdog import Life, Watchdog

LIMIT_SECONDS = 5.0


class Looper:
    """Does what the test says for each of its runs, and then waits until it is cancelled."""

    def __init__(self, *runs: Callable[[Life], Awaitable[None]]) -> None:
        self.runs = list(runs)
        self.goes_on = asyncio.Event()

    async def run(self, life: Life) -> None:
        if self.runs:
            await self.runs.pop(0)(life)
            return
        self.goes_on.set()
        life.idle = True
        await asyncio.Event().wait()


async def fails(life: Life) -> None:
    raise ValueError("nobody had thought of it")


async def ends(life: Life) -> None:
    return


async def is_cancelled_from_elsewhere(life: Life) -> None:
    raise asyncio.CancelledError


async def hangs(life: Life) -> None:
    await asyncio.Event().wait()


async def hangs_on(life: Life) -> None:
    """As a library does that takes being cancelled for a time limit of its own."""
    for _ in range(2):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("first", "event"),
    [
        (fails, "looper.ended"),
        (ends, "looper.ended"),
        (is_cancelled_from_elsewhere, "looper.ended"),
        (hangs, "looper.stalled"),
        (hangs_on, "looper.stalled"),
    ],
)
async def test_however_it_ends_another_one_takes_over(
    first: Callable[[Life], Awaitable[None]], event: str
) -> None:
    looper = Looper(first)
    watchdog = Watchdog("looper", looper.run, 0.1, 0.02, 0.01)
    with capture_logs() as logs:
        watchdog.start()
        async with async_timeout.timeout(LIMIT_SECONDS):
            await looper.goes_on.wait()
    assert [entry["event"] for entry in logs] == [event]
    assert watchdog.restarts == 1
    watchdog.cancel()


async def test_the_log_has_the_trace_and_says_when_it_goes_on() -> None:
    looper = Looper(fails)
    watchdog = Watchdog("looper", looper.run, again_seconds=0.01)
    with capture_logs() as logs:
        watchdog.start()
        async with async_timeout.timeout(LIMIT_SECONDS):
            await looper.goes_on.wait()
    [told] = logs
    assert (told["log_level"], told["again_in_seconds"]) == ("error", 0.01)
    assert "nobody had thought of it" in told["trace"]
    assert "in fails" in told["trace"]
    watchdog.cancel()


async def test_who_is_cancelled_takes_the_task_along() -> None:
    looper = Looper()
    watchdog = Watchdog("looper", looper.run)
    watchdog.start()
    await looper.goes_on.wait()
    tasks = watchdog.tasks
    assert len(tasks) == 2
    watchdog.cancel()
    await asyncio.wait(tasks, timeout=LIMIT_SECONDS)
    assert all(task.done() for task in tasks)
    assert not watchdog.tasks
    assert not watchdog.restarts


async def test_who_gets_somewhere_or_waits_for_nothing_is_left_alone() -> None:
    ended = asyncio.Event()

    async def beats_then_is_idle(life: Life) -> None:
        for _ in range(20):
            life.beat()
            await asyncio.sleep(0.02)  # the passing of time is what is tested
        life.idle = True
        await asyncio.sleep(0.4)
        ended.set()
        await asyncio.Event().wait()

    watchdog = Watchdog("looper", beats_then_is_idle, 0.2, 0.02)
    watchdog.start()
    async with async_timeout.timeout(LIMIT_SECONDS):
        await ended.wait()
    assert not watchdog.restarts
    assert not watchdog.silent_seconds
    watchdog.cancel()
