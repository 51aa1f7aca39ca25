"""A line to Redis: one connection on which steps travel side by side.

redis' own client takes a connection for each command, looks whether it is still good, and waits for
the answer before anything else may use it: four passes of the event loop and most of the processor
time of a step. What is asked on a line in the same pass leaves in one packet, is done in the order
that it was asked, and is on the disk with one write.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import async_timeout
import hiredis
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import RedisError, ResponseError

if TYPE_CHECKING:
    from redis.asyncio.connection import Connection, ConnectionPool

# A timer that goes off so late tells of us, and nothing of Redis.
STOOD_STILL_SECONDS = 0.05


class Line:
    """Connects when it is first asked, and anew when it was cut. Errors are those of redis.

    `connect_seconds` and `answer_seconds` are how long either may take. When an answer is overdue
    the line is cut, and everybody who waits on it gets the error: whether what they asked for has
    been done is then unknown.
    """

    def __init__(
        self, pool: ConnectionPool[Connection], connect_seconds: float, answer_seconds: float
    ) -> None:
        self._pool = pool
        self._connect_seconds = connect_seconds
        self._answer_seconds = answer_seconds
        self._end: _End | None = None
        self._connecting: asyncio.Task[_End] | None = None

    async def ask(self, words: Sequence[str]) -> Any:
        """The answer to one command. Raises RedisError, OSError or asyncio.TimeoutError."""
        end = self._end
        if end is None or end.is_cut:
            end = await self._connected()
        packed = hiredis.pack_command(tuple(words))  # type: ignore[arg-type]
        return await end.ask(packed)

    async def close(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait({self._connecting})
        if self._end is not None:
            await self._end.close()

    async def _connected(self) -> _End:
        # One attempt for all who ask meanwhile; it is not theirs to cancel.
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect(), name="line to redis")
            self._connecting.add_done_callback(self._has_connected)
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> _End:
        # Limits of time are the line's: a reader waits for ever.
        given = {**self._pool.connection_kwargs, "socket_timeout": None}
        connection = self._pool.connection_class(**given)
        try:
            async with async_timeout.timeout(self._connect_seconds + self._answer_seconds):
                await connection.connect()
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        self._end = _End(connection, self._answer_seconds)
        return self._end

    def _has_connected(self, connecting: asyncio.Task[_End]) -> None:
        self._connecting = None
        if not connecting.cancelled():
            connecting.exception()  # those who wait for it know; if nobody does, it is no news


class _End:
    """Our end of a connection that stands. Once cut, it stays cut."""

    def __init__(self, connection: Connection, answer_seconds: float) -> None:
        self._connection = connection
        self._answer_seconds = answer_seconds
        self._loop = asyncio.get_running_loop()
        # Answers come in the order of the questions; each with the time at which it is overdue.
        self._awaited: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._watch: asyncio.TimerHandle | None = None
        self._reading = asyncio.create_task(self._read(), name="answers of redis")
        self.is_cut = False

    async def ask(self, packed: bytes) -> Any:
        answer: asyncio.Future[Any] = self._loop.create_future()
        overdue = self._loop.time() + self._answer_seconds
        self._awaited.append((answer, overdue))
        if self._watch is None:
            self._watch = self._loop.call_at(overdue, self._look)
        # It is written at once; what is awaited is only that not too much waits to leave.
        writing = self._connection.send_packed_command([packed], check_health=False)
        try:
            await writing
        except (RedisError, OSError) as error:
            self._cut(error)
        return await answer

    async def close(self) -> None:
        self._cut(NotConnected("The line is closed"))
        with suppress(asyncio.CancelledError):
            await self._reading

    async def _read(self) -> None:
        try:
            while True:
                said: Any
                try:
                    said = await self._connection.read_response(disconnect_on_error=False)
                except ResponseError as error:
                    said = error
                self._take(said)
        except (RedisError, OSError) as error:
            self._cut(error)
        finally:
            await self._connection.disconnect(nowait=True)

    def _take(self, said: Any) -> None:
        if not self._awaited:
            raise NotConnected("Redis said something that nobody had asked for")
        answer, _ = self._awaited.popleft()
        if answer.done():
            return  # whoever asked no longer waits
        if isinstance(said, ResponseError):
            answer.set_exception(said)
        else:
            answer.set_result(said)

    def _look(self, again: bool = False) -> None:
        """Is the oldest answer overdue?"""
        self._watch = None
        if not self._awaited:
            return
        now, overdue = self._loop.time(), self._awaited[0][1]
        if overdue > now:
            self._watch = self._loop.call_at(overdue, self._look)
        elif again or now - overdue < STOOD_STILL_SECONDS:
            self._cut(asyncio.TimeoutError("Timeout reading from Redis"))
        else:  # it was this process that stood still, and may not have read what came meanwhile
            self._watch = self._loop.call_later(STOOD_STILL_SECONDS, self._look, True)

    def _cut(self, error: Exception) -> None:
        if self.is_cut:
            return
        self.is_cut = True
        if asyncio.current_task() is not self._reading:
            self._reading.cancel()
        if self._watch is not None:
            self._watch.cancel()
        for answer, _ in self._awaited:
            if not answer.done():
                answer.set_exception(error)
                answer.exception()  # known, also if whoever asked gives up before they hear of it
        self._awaited.clear()
