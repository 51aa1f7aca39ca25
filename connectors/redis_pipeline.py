"""Commands to Redis that are asked at the same moment travel together, on one connection.

redis-py's own client takes a connection for each command and waits for its answer before anything
else may use it. Here whatever is asked while the event loop makes one pass, or while the pipeline
before it is still under way, becomes the next pipeline: one packet and one write on Redis' disk, in
the order that it was asked. The connection is redis-py's, and there is never more than one pipeline
on it, so there is no state to keep: after anything unexpected the connection is thrown away, and
the next pipeline begins with a fresh one.

The limit of time is each caller's own. It holds whatever the connection does.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import hiredis
import structlog
from redis.exceptions import BusyLoadingError, ReadOnlyError, RedisError, ResponseError
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import TimeoutError as NoAnswer

from connectors.time_limit import PatientTimer, time_limit

if TYPE_CHECKING:
    from redis.asyncio.connection import Connection

log = structlog.get_logger(__name__)

Command = Sequence[str | int | float | bytes]

# A pipeline ends at its own limit. One that is still there so much later hangs in a way that nobody
# thought of, and the next one does not wait for it.
ABANDONED_AFTER_SECONDS = 1.0
# What a server says that did nothing, while soon another one will, or the same one: a replica that
# was a primary a moment ago, one that loads its data or waits for its primary's or for replicas.
_NOT_NOW = re.compile(r"\b(READONLY|LOADING|MASTERDOWN|NOREPLICAS|CLUSTERDOWN)\b")


def is_not_now(error: Exception) -> bool:
    """Did Redis refuse because of what this server is at the moment? Then nothing was done.

    Scripts wrap the code in words of their own, and Redis 6.2 in other words than 7.
    """
    if isinstance(error, ReadOnlyError | BusyLoadingError):
        return True
    return isinstance(error, ResponseError) and bool(_NOT_NOW.search(str(error)))


class _Asked:
    """One command, and whoever waits for its answer. An answer that comes too late is nobody's."""

    def __init__(self, command: Command) -> None:
        # As redis-py has it: "CLIENT LIST" are two words.
        self.packed = hiredis.pack_command((*str(command[0]).split(), *command[1:]))  # type: ignore[arg-type]
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    @property
    def is_over(self) -> bool:
        return self.answer.done()

    def hear(self, answer: Any) -> None:
        if self.is_over:
            return
        if isinstance(answer, Exception):
            self.answer.set_exception(answer)
            self.answer.exception()  # known, also if nobody waits any more
        else:
            self.answer.set_result(answer)


class RedisPipeline:
    """`connection` makes a connection of redis-py's, not connected yet and without a timeout of its
    own. `greet` is asked once on every new one, before anything else, and refuses it by an error.

    `limit_seconds` is how long a caller waits at most.
    """

    def __init__(
        self,
        connection: Callable[[], Connection],
        limit_seconds: float,
        greet: Callable[[Connection], Awaitable[None]] | None = None,
    ) -> None:
        self._make = connection
        self._limit_seconds = limit_seconds
        self._greet = greet
        self._connection: Connection | None = None
        self._waiting: list[_Asked] = []
        self._sending: asyncio.Task[None] | None = None
        self._sending_since = 0.0
        self._closing: asyncio.Future[None] | None = None  # kept, or nobody would do it

    async def ask(self, command: Command, seconds: float | None = None) -> Any:
        """The answer to one command, in so many seconds or the pipeline's own limit.

        Raises redis' own errors. After ResponseError Redis has done nothing, unless it was a script
        that failed midway; after any other error it may have been done.
        """
        asked = _Asked(command)
        self._waiting.append(asked)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all(), name="pipelines to redis")
        limit = self._limit_seconds if seconds is None else seconds
        timer = PatientTimer(limit, lambda: self._is_overdue(asked))
        try:
            return await asked.answer
        finally:
            timer.cancel()

    async def close(self) -> None:
        """Whoever still waits gets an error."""
        sending, self._sending = self._sending, None
        if sending is not None:
            sending.cancel()
            await asyncio.wait({sending}, timeout=self._limit_seconds)
        self._fail(self._take(), NotConnected("the connection to Redis is closed"))
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(RedisError, OSError):
                await connection.disconnect()

    async def _send_all(self) -> None:
        this = asyncio.current_task()
        try:
            while self._sending is this and (batch := self._take()):
                self._sending_since = asyncio.get_running_loop().time()
                await self._send(batch)
        finally:
            if self._sending is this:
                self._sending = None

    def _take(self) -> list[_Asked]:
        """What is to go next. Who has given up meanwhile is not asked for any more."""
        batch = [asked for asked in self._waiting if not asked.is_over]
        self._waiting = []
        return batch

    async def _send(self, batch: Sequence[_Asked]) -> None:
        """Ask, and hand out the answers. Whatever fails, everybody in the batch hears of it."""
        try:
            async with time_limit(self._limit_seconds):
                answers = await self._exchange(batch)
        except asyncio.TimeoutError:
            await self._give_up(batch, NoAnswer(f"no answer in {self._limit_seconds:g} s"))
        except asyncio.CancelledError:
            await self._give_up(batch, NotConnected("the connection to Redis was given up"))
            raise
        except (RedisError, OSError) as error:
            await self._give_up(batch, error)
        except Exception as error:  # redis-py trips over its own state: a connection that is gone
            await self._give_up(batch, NotConnected(f"{type(error).__name__}: {error}"))
        else:
            if any(isinstance(answer, Exception) and is_not_now(answer) for answer in answers):
                await self._throw_away()  # whoever asks again finds another server

    async def _exchange(self, batch: Sequence[_Asked]) -> Sequence[Any]:
        connection = await self._connected()
        packed = [asked.packed for asked in batch]
        await connection.send_packed_command(packed, check_health=False)
        answers = []
        for asked in batch:
            answers.append(await answer_on(connection))
            asked.hear(answers[-1])
        return answers

    async def _connected(self) -> Connection:
        """The connection that stands, or a fresh one if that was cut while nobody asked."""
        if self._connection is not None and await _is_cut(self._connection):
            await self._throw_away()
        if self._connection is None:
            fresh = await self._connect()
            if self._sending is not asyncio.current_task():  # abandoned meanwhile
                await fresh.disconnect(nowait=True)
                raise NotConnected("the connection to Redis came too late")
            self._connection = fresh
        return self._connection

    async def _connect(self) -> Connection:
        connection = self._make()
        try:
            await connection.connect()
            if self._greet is not None:
                await self._greet(connection)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection

    async def _give_up(self, batch: Sequence[_Asked], error: Exception) -> None:
        self._fail(batch, error)
        if self._sending is asyncio.current_task() or self._sending is None:
            await self._throw_away()

    def _fail(self, batch: Sequence[_Asked], error: Exception) -> None:
        for asked in batch:
            asked.hear(error)

    async def _throw_away(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    def _is_overdue(self, asked: _Asked) -> None:
        asked.hear(NoAnswer("no answer in time"))
        if self._sending is not None:
            took = asyncio.get_running_loop().time() - self._sending_since
            if took > self._limit_seconds + ABANDONED_AFTER_SECONDS:
                log.error("redis.pipeline_abandoned", seconds=round(took, 1), then="connects anew")
                self._sending.cancel()
                self._closing = asyncio.ensure_future(self._throw_away())
                self._sending_since += took
                self._sending = asyncio.create_task(self._send_all(), name="pipelines to redis")


async def _is_cut(connection: Connection) -> bool:
    """Was it closed by the other side, or did that say something that nobody had asked for?"""
    try:
        return bool(await connection.can_read_destructive())
    except (RedisError, OSError):
        return True


async def answer_on(connection: Connection) -> Any:
    """The next answer on a connection: an error that Redis answered is an answer, too."""
    try:
        return await connection.read_response(disconnect_on_error=False)
    except (ResponseError, BusyLoadingError) as error:
        return error
