"""Redis: one client with short timeouts, and the atomic steps (lua/) by name."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha1
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis.asyncio as aioredis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from connectors import keys
from connectors.errors import StoreUnavailable
from connectors.redis_line import Line

if TYPE_CHECKING:
    Client = aioredis.Redis[str]

# Twilio waits 15 s, a customer less: better to say "not now" within a second.
CONNECT_SECONDS = 0.4
ANSWER_SECONDS = 0.8
PING_SECONDS = 5.0

_LUA = Path(__file__).parent / "lua"
_SCRIPTS = {
    path.stem: (_LUA / "_session.lua").read_text() + path.read_text()
    for path in _LUA.glob("[a-z]*.lua")
}


class Store:
    """What the inbox, the outbox and the session store share."""

    def __init__(self, client: Client) -> None:
        self.client = client
        # By these Redis knows a script that it was told once.
        self._names = {name: sha1(text.encode()).hexdigest() for name, text in _SCRIPTS.items()}  # noqa: S324
        self._line = Line(client.connection_pool, CONNECT_SECONDS, ANSWER_SECONDS)
        self._id_key: str | None = None

    @classmethod
    def connect(cls, url: str) -> Store:
        """A store that connects when it is first asked. `url` is redis://, rediss:// or unix://."""
        return cls(
            aioredis.Redis.from_url(
                url,
                decode_responses=True,
                socket_connect_timeout=CONNECT_SECONDS,
                socket_timeout=ANSWER_SECONDS,
            )
        )

    async def close(self) -> None:
        await self._line.close()
        await self.client.close(close_connection_pool=True)

    async def step(self, name: str, names: Sequence[str], arguments: Sequence[object]) -> Any:
        """Run one atomic step. Raises StoreUnavailable; then it may or may not have happened."""
        with unavailable_is_named():
            words = ["EVALSHA", self._names[name], str(len(names)), *names, *map(str, arguments)]
            try:
                return await self._line.ask(words)
            except NoScriptError:
                await self._line.ask(["SCRIPT", "LOAD", _SCRIPTS[name]])
                return await self._line.ask(words)

    async def ping(self) -> None:
        with unavailable_is_named():
            await self.client.ping()

    async def get(self, name: str) -> str | None:
        with unavailable_is_named():
            said: str | None = await self._line.ask(["GET", name])
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
            said: str | None = await self._line.ask(["HGET", name, field])
        return said

    async def fields(self, name: str) -> dict[str, str]:
        """All of a hash; none if it is not there."""
        with unavailable_is_named():
            return await self.client.hgetall(name)

    async def put_field(self, name: str, field: str, value: str, seconds: int) -> None:
        """Set a field of a hash, which is then kept for so long."""
        with unavailable_is_named():
            async with self.client.pipeline() as together:
                together.hset(name, field, value)
                together.expire(name, seconds)
                await together.execute()

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
        pool = aioredis.ConnectionPool(
            connection_class=self.client.connection_pool.connection_class,
            **{
                **self.client.connection_pool.connection_kwargs,
                "socket_timeout": None,
            },
        )
        try:
            with unavailable_is_named():
                async with aioredis.Redis(connection_pool=pool).pubsub() as subscription:
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
