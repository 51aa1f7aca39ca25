"""A gate on the wire: lets everything through but what a trap was set for, and strikes there.

It stands between Rasa and Valkey, Twilio or the action server, and knows no protocol: a trap is
bytes that a request carries. The moment between a request and its effect, or between the effect and
the knowledge of it, lasts for as long as the gate holds its breath, so a kill hits it exactly.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from local.ports import free_port


@dataclass
class Trap:
    """Springs once, at the first request that has all of `marks`; then Rasa gets the signal.

    "before": the request is held, until `go_on`. "during": it arrives, and nobody waits for the
    answer. "after": the answer was given, and is held; `answered` are bytes that it must have: else
    it goes through, and the trap stays. "cut": the connection ends instead, without a signal.
    """

    name: str
    when: str
    marks: tuple[bytes, ...]
    answered: bytes = b""
    signal: signal.Signals = signal.SIGKILL
    sprung: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def fits(self, request: bytes) -> bool:
        return not self.sprung.is_set() and all(mark in request for mark in self.marks)


@dataclass
class Gate:
    """Listens on `port` for what is meant for `target`; `strike` is called when a trap springs."""

    port: int
    target: int
    strike: Callable[[signal.Signals], None]
    traps: list[Trap]

    async def serve(self, over: asyncio.Event) -> None:
        server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        async with server:
            await over.wait()
        passing = asyncio.all_tasks() - {asyncio.current_task()}
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)

    async def _carry(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            far, forth = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            back.close()
            return
        passage = _Passage(self, near, back, far, forth)
        both = [asyncio.ensure_future(passage.requests()), asyncio.ensure_future(passage.answers())]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in both:
                each.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            back.close()
            forth.close()

    def spring(self, trap: Trap) -> bool:
        """Strike, unless the trap has sprung elsewhere meanwhile."""
        if trap.sprung.is_set():
            return False
        if trap.when != "cut":
            self.strike(trap.signal)
        trap.sprung.set()
        return True


@dataclass
class _Passage:
    """One connection."""

    gate: Gate
    near: asyncio.StreamReader
    back: asyncio.StreamWriter
    far: asyncio.StreamReader
    forth: asyncio.StreamWriter
    expected: Trap | None = None  # its answer is wanted; more may be asked before it comes

    async def requests(self) -> None:
        with suppress(OSError):
            while data := await self.near.read(1 << 20):
                trap = next((trap for trap in self.gate.traps if trap.fits(data)), None)
                if trap and trap.when == "cut" and self.gate.spring(trap):
                    return
                if trap and trap.when == "before" and self.gate.spring(trap):
                    await self._until(trap)
                if trap and trap.when == "after":
                    self.expected = trap
                self.forth.write(data)
                await self.forth.drain()
                if trap and trap.when == "during" and self.gate.spring(trap):
                    await self._until(trap)

    async def answers(self) -> None:
        with suppress(OSError):
            while data := await self.far.read(1 << 20):
                trap = self.expected
                if trap and trap.answered in data and self.gate.spring(trap):
                    await self._until(trap)
                self.back.write(data)
                await self.back.drain()

    async def _until(self, trap: Trap) -> None:
        """Hold the wire; for somebody who was killed, that is until the gate closes."""
        while not trap.go_on.is_set():
            await asyncio.sleep(0.01)


@contextmanager
def open_gate(
    target: int, strike: Callable[[signal.Signals], None], traps: list[Trap]
) -> Iterator[Gate]:
    """A gate in a thread of its own, until the end of the block."""
    gate = Gate(free_port(), target, strike, traps)
    loop, over, opened = asyncio.new_event_loop(), asyncio.Event(), threading.Event()

    async def serve() -> None:
        loop.call_soon(opened.set)
        await gate.serve(over)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert opened.wait(10), "the gate did not open"
    try:
        yield gate
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        assert not thread.is_alive(), "the gate did not close"
        loop.close()
