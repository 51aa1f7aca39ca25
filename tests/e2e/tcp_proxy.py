"""A man in the middle: a TCP proxy on one link whose fault and target are switched while it runs.

It knows no protocol. It does what load balancers, firewalls and Kubernetes Services do when what is
behind them is away, is slow, or has become somebody else.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import Any
from weakref import WeakSet

from local.ports import free_port

SWITCH_SECONDS = 10.0
READ_BYTES = 1 << 16
SLOW_SECONDS = 0.1
SLOW_BYTES = 64
# Of the answers. If each one was cut, nobody would ever get beyond the first.
CUT_ODDS = 0.3


class Fault(Enum):
    """What the proxy does to the connections that go through it."""

    PASS = "pass"
    REFUSE = "refuse"  # the port is closed, standing connections are cut
    ACCEPT_AND_CLOSE = "accept and close"  # standing ones are cut, new ones closed at once
    ACCEPT_AND_SILENCE = "accept and silence"  # a black hole; what was sent arrives afterwards
    CUT_IN_ANSWER = "cut in answer"  # some answers end in the middle, and with them the connection
    ONE_WAY_REQUESTS = "one way, requests"  # answers are swallowed
    ONE_WAY_ANSWERS = "one way, answers"  # requests are swallowed
    HALF_CLOSE = "half close"  # FIN to who asks; requests still arrive
    SLOW = "slow"  # later, and in small pieces


@dataclass
class TcpProxy:
    """Listens on `port` and leads to `target`, a port of this machine."""

    target: int
    seed: int = 0
    port: int = field(default_factory=free_port)
    fault: Fault = Fault.PASS
    answers_late_seconds: float = 0.0  # as a replication link that lags
    _standing: set[_Connection] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.luck = Random(self.seed)
        self._loop = asyncio.new_event_loop()
        self._heard = asyncio.Event()  # no black hole
        self._heard.set()
        self._server: asyncio.Server | None = None
        self._transports: WeakSet[asyncio.WriteTransport] = WeakSet()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def open(self) -> None:
        self._thread.start()
        self._do(self._listen())

    def close(self) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SWITCH_SECONDS)
        self._loop.close()

    def switch(self, fault: Fault) -> None:
        """From now on, for standing connections as well as for new ones."""
        self._do(self._switch(fault))

    def lead(self, target: int, keep_standing: bool = False) -> None:
        """New connections go to another port.

        `keep_standing`: standing ones stay where they are, as when a name in DNS changes.
        """
        self._do(self._lead(target, keep_standing))

    def cut(self) -> None:
        """End the standing connections. What still waits in them never arrives."""
        self._do(self._cut())

    @property
    def standing(self) -> int:
        return len(self._standing)

    def _do(self, step: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(step, self._loop).result(SWITCH_SECONDS)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _unlisten(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def _end(self) -> None:
        await self._unlisten()
        await self._cut()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for transport in list(self._transports):
            transport.abort()  # it may still have something to say to somebody who is frozen
        for _ in range(3):
            await asyncio.sleep(0)  # they are closed in the next passes of the loop

    async def _switch(self, fault: Fault) -> None:
        before, self.fault = self.fault, fault
        if fault is Fault.REFUSE:
            await self._unlisten()
        if fault in (Fault.REFUSE, Fault.ACCEPT_AND_CLOSE):
            await self._cut()
        if fault is Fault.HALF_CLOSE:
            for each in self._standing:
                each.half_close()
        if fault is Fault.ACCEPT_AND_SILENCE:
            self._heard.clear()
        else:
            self._heard.set()
        if before is Fault.REFUSE and fault is not Fault.REFUSE:
            await self._listen()
        for each in [each for each in self._standing if each.has_lost]:
            each.end()  # what comes next would be read as something else

    async def _lead(self, target: int, keep_standing: bool) -> None:
        self.target = target
        if not keep_standing:
            await self._cut()

    async def _cut(self) -> None:
        for each in list(self._standing):
            each.end()
        await asyncio.sleep(0)

    async def heard(self) -> None:
        await self._heard.wait()

    async def _accept(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        self._transports.add(back.transport)
        if self.fault is Fault.ACCEPT_AND_CLOSE:
            back.close()
            return
        if self.fault is Fault.ACCEPT_AND_SILENCE:
            await self.heard()
            back.close()
            return
        try:
            far, forth = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            back.close()
            return
        self._transports.add(forth.transport)
        connection = _Connection(self, near, back, far, forth)
        self._standing.add(connection)
        try:
            await connection.carry()
        finally:
            self._standing.discard(connection)


@dataclass(eq=False)
class _Connection:
    """One connection: who asks is near, who answers is far."""

    proxy: TcpProxy
    near: asyncio.StreamReader
    back: asyncio.StreamWriter
    far: asyncio.StreamReader
    forth: asyncio.StreamWriter
    has_lost: bool = False
    is_half_closed: bool = False
    _carrying: list[asyncio.Future[None]] = field(default_factory=list)

    async def carry(self) -> None:
        if self.proxy.fault is Fault.HALF_CLOSE:
            self.half_close()
        requests: asyncio.Queue[_Piece] = asyncio.Queue()
        answers: asyncio.Queue[_Piece] = asyncio.Queue()
        steps = (
            self._take(self.near, requests, is_answer=False),
            self._give(requests, self.forth),
            self._take(self.far, answers, is_answer=True),
            self._give(answers, self.back),
        )
        self._carrying = [asyncio.ensure_future(step) for step in steps]
        ends = self._carrying[1::2]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.end()
            await asyncio.gather(*self._carrying, return_exceptions=True)

    def end(self) -> None:
        for each in self._carrying:
            each.cancel()
        self.back.close()
        self.forth.close()

    def half_close(self) -> None:
        self.is_half_closed = True
        with suppress(OSError, RuntimeError):
            self.back.write_eof()

    async def _take(
        self, reader: asyncio.StreamReader, queue: asyncio.Queue[_Piece], is_answer: bool
    ) -> None:
        data = b"?"
        while data:
            try:
                data = await reader.read(READ_BYTES)
            except OSError:
                data = b""
            if data and self._is_swallowed(is_answer):
                self.has_lost = True
                continue
            if is_answer and len(data) > 1 and self._is_cut():
                queue.put_nowait(self._piece(data[: self.proxy.luck.randrange(1, len(data))]))
                data = b""
            queue.put_nowait(self._piece(data, is_answer))

    def _is_swallowed(self, is_answer: bool) -> bool:
        if is_answer and self.is_half_closed:
            return True
        lost = Fault.ONE_WAY_REQUESTS if is_answer else Fault.ONE_WAY_ANSWERS
        return self.proxy.fault is lost

    def _is_cut(self) -> bool:
        return self.proxy.fault is Fault.CUT_IN_ANSWER and self.proxy.luck.random() < CUT_ODDS

    def _piece(self, data: bytes, is_answer: bool = False) -> _Piece:
        slow = self.proxy.fault is Fault.SLOW
        late = SLOW_SECONDS if slow else 0.0
        late += self.proxy.answers_late_seconds if is_answer else 0.0
        due = asyncio.get_running_loop().time() + late
        return _Piece(data, due, SLOW_BYTES if slow else READ_BYTES)

    async def _give(self, queue: asyncio.Queue[_Piece], writer: asyncio.StreamWriter) -> None:
        """Until there is nothing more to come."""
        loop = asyncio.get_running_loop()
        with suppress(OSError, RuntimeError):
            while (piece := await queue.get()).data:
                if (early := piece.due - loop.time()) > 0:
                    await asyncio.sleep(early)
                await self.proxy.heard()
                for start in range(0, len(piece.data), piece.size):
                    writer.write(piece.data[start : start + piece.size])
                    await writer.drain()


@dataclass(frozen=True)
class _Piece:
    """Bytes that are due at a time of the loop, to be written in pieces of `size`."""

    data: bytes
    due: float
    size: int


@contextmanager
def tcp_proxy(target: int, seed: int = 0) -> Iterator[TcpProxy]:
    """A proxy in a thread of its own, until the end of the block."""
    proxy = TcpProxy(target, seed)
    proxy.open()
    try:
        yield proxy
    finally:
        proxy.close()
