"""Redis: one client with short timeouts, and the atomic steps (lua/) by name."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha1
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hiredis
import redis.asyncio as aioredis
import structlog
from redis.asyncio.connection import ConnectionPool
from redis.exceptions import NoScriptError, RedisError, ResponseError

from connectors import keys
from connectors.errors import StoreUnavailable
from connectors.redis_address import connection_pool
from connectors.redis_pipeline import Command, RedisPipeline, answer_on, is_not_now
from connectors.time_limit import time_limit

if TYPE_CHECKING:
    from redis.asyncio.connection import Connection

    Client = aioredis.Redis[str]
else:
    Client = aioredis.Redis

log = structlog.get_logger(__name__)

# Twilio waits 15 s, a customer less: better to say "not now" within a second or so. Nothing that is
# asked here takes longer than this, whatever the connection does.
CONNECT_SECONDS = 0.4
LIMIT_SECONDS = 0.9
# A server that does nothing at the moment is asked again, perhaps another one by then.
AGAIN_SECONDS = 0.05
PING_SECONDS = 5.0

_LUA = Path(__file__).parent / "lua"
_SCRIPTS = {
    path.stem: (_LUA / "_session.lua").read_text() + path.read_text()
    for path in _LUA.glob("[a-z]*.lua")
}


class _Client(Client):
    """redis-py's client with all its commands, which go by the store's pipeline and its limit."""

    def __init__(self, store: Store, pool: ConnectionPool[Any]) -> None:
        super().__init__(connection_pool=pool, decode_responses=True)
        self._store = store

    async def execute_command(self, *command: Any, **options: Any) -> Any:
        answer = await self._store.ask(command)
        understand = self.response_callbacks.get(command[0])
        return understand(answer, **options) if understand else answer


class Store:
    """What the inbox, the outbox and the session store share."""

    def __init__(self, pool: Callable[[], ConnectionPool[Any]]) -> None:
        self._new_pool = pool
        self._pool = pool()
        self.client = _Client(self, self._pool)
        # By these Redis knows a script that it was told once.
        self._names = {name: sha1(text.encode()).hexdigest() for name, text in _SCRIPTS.items()}  # noqa: S324
        self._pipeline = RedisPipeline(self._connection, LIMIT_SECONDS, self._greet)
        self._id_key: str | None = None
        self._is_told = False
        # When another server took over what is kept, or the same one after a restart, and when one
        # did that had been a replica: milliseconds since 1970, by Redis' clock; 0: never. What was
        # written before may have been lost, see failover.
        self.server_changed_ms = 0
        self.failover_ms = 0
        self._failover_seen = float("-inf")  # by our own clock, which need not be Redis'
        self.has_changed = asyncio.Event()

    @classmethod
    def connect(cls, url: str) -> Store:
        """A store that connects when it is first asked. `url` is REDIS_URL, see redis_address."""
        return cls(lambda: connection_pool(url, connect_seconds=CONNECT_SECONDS))

    async def close(self) -> None:
        await self._pipeline.close()
        await self._pool.disconnect()

    def _connection(self) -> Connection:
        made: Connection = self._pool.connection_class(**self._pool.connection_kwargs)
        return made

    async def _greet(self, connection: Connection) -> None:
        """Is it the server that we knew? Raises for one that takes no writes."""
        words = ("EVAL", _SCRIPTS["greet"], 1, keys.SERVER)
        packed = hiredis.pack_command(words)  # type: ignore[arg-type]
        await connection.send_packed_command([packed], check_health=False)
        answer = await answer_on(connection)
        if isinstance(answer, Exception):
            raise answer
        changed_ms, failover_ms = answer
        if changed_ms < 0 and not self._is_told:
            log.warning(
                "redis.server_is_not_told",
                then="after a failover nothing is looked up at Twilio, and may be sent twice",
                do="allow this account INFO",
            )
            self._is_told = True
        self.note_change(changed_ms, failover_ms)

    def note_change(self, changed_ms: int, failover_ms: int) -> None:
        """When the server changed, and when a replica took over; what is older is known."""
        if changed_ms > self.server_changed_ms:
            self.server_changed_ms = changed_ms
            self.has_changed.set()
        if failover_ms > self.failover_ms:
            self.failover_ms, self._failover_seen = failover_ms, time.monotonic()

    @property
    def failover_age_seconds(self) -> float:
        """For how long this process has known of the last failover."""
        return time.monotonic() - self._failover_seen

    async def ask(self, command: Command) -> Any:
        """The answer to one command, within LIMIT_SECONDS.

        What a server refuses because it is none to write to at the moment is asked again, perhaps
        of another server. Raises redis' own errors.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + LIMIT_SECONDS
        while True:
            try:
                return await self._pipeline.ask(command, until - loop.time())
            except RedisError as error:
                if not is_not_now(error) or loop.time() + AGAIN_SECONDS > until:
                    raise
            await asyncio.sleep(AGAIN_SECONDS)

    async def step(self, name: str, names: Sequence[str], arguments: Sequence[object]) -> Any:
        """Run one atomic step. Raises StoreUnavailable; then it may or may not have happened."""
        words = ["EVALSHA", self._names[name], str(len(names)), *names, *map(str, arguments)]
        with unavailable_is_named():
            try:
                return await self.ask(words)
            except NoScriptError:  # it is remembered from now on, so this is waited for once more
                return await self.ask(["EVAL", _SCRIPTS[name], *words[2:]])

    async def ping(self) -> None:
        with unavailable_is_named():
            await self.client.ping()

    async def get(self, name: str) -> str | None:
        with unavailable_is_named():
            said: str | None = await self.ask(["GET", name])
        return said

    async def put(self, name: str, value: str) -> None:
        with unavailable_is_named():
            await self.client.set(name, value)

    async def put_once(self, name: str, value: str, seconds: int) -> bool:
        """False if the name is taken."""
        with unavailable_is_named():
            return bool(await self.client.set(name, value, nx=True, ex=seconds))

    async def field(self, name: str, field: str) -> str | None:
        with unavailable_is_named():
            said: str | None = await self.ask(["HGET", name, field])
        return said

    async def fields(self, name: str) -> dict[str, str]:
        """All of a hash; none if it is not there."""
        with unavailable_is_named():
            return await self.client.hgetall(name)

    async def put_field(self, name: str, field: str, value: str, seconds: int) -> None:
        """Set a field of a hash, which is then kept for so long."""
        await self.step("put_field", [name], [field, value, seconds])

    async def expire(self, name: str, seconds: int) -> None:
        with unavailable_is_named():
            await self.client.expire(name, seconds)

    async def forget(self, name: str) -> None:
        with unavailable_is_named():
            await self.client.delete(name)

    async def id_key(self) -> str:
        """The key that conversation ids are made with, the same for every process on this Redis."""
        if self._id_key is None:
            with unavailable_is_named():
                await self.client.set(keys.ID_KEY, secrets.token_hex(16), nx=True)
                self._id_key = str(await self.client.get(keys.ID_KEY))
        return self._id_key

    def forget_id_key(self) -> None:
        """Redis is known to have another one: ask again."""
        self._id_key = None

    async def listen(self, channel: str) -> AsyncIterator[None]:
        """Yield once when subscribed, then at every message. Ends with StoreUnavailable."""
        # An idle subscription is silent for hours: no timeout on its socket, pings instead.
        pool = self._new_pool()
        try:
            with unavailable_is_named():
                async with aioredis.Redis(connection_pool=pool).pubsub() as subscription:
                    async with time_limit(LIMIT_SECONDS):
                        await subscription.subscribe(channel)
                    pinged = False
                    while True:
                        message = await subscription.get_message(timeout=PING_SECONDS)
                        if message is None and pinged:
                            raise StoreUnavailable("Redis does not answer a ping")
                        if message is None:
                            await subscription.ping()
                        elif message["type"] in ("subscribe", "message"):
                            yield
                        pinged = message is None
        finally:
            await pool.disconnect()


@contextmanager
def unavailable_is_named() -> Iterator[None]:
    """Turn every way in which Redis can fail into StoreUnavailable."""
    try:
        yield
    except (RedisError, OSError, asyncio.TimeoutError) as error:
        did = "refuses" if isinstance(error, ResponseError) else "does not answer"
        reason = str(error) or type(error).__name__
        raise StoreUnavailable(f"Redis {did} ({reason})") from error
