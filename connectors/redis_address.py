"""Where Redis is: REDIS_URL becomes what redis-py needs to connect.

A server, or a name in front of one: redis://, rediss:// and unix://, as redis-py has them. Or the
primary that Sentinels know (see sentinel_url): they are asked for it at every new connection.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from redis.asyncio.connection import Connection, ConnectionPool, SSLConnection, parse_url
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool, SentinelManagedConnection

from connectors.sentinel_url import SentinelUrl, is_sentinel_url

# Of several Sentinels one may hang: the next one is asked well before a caller's limit is over.
SENTINEL_SECONDS = 0.3


class _Primary(SentinelManagedConnection):
    """Where the Sentinels say that the primary is. What it answers is told as it is: redis-py makes
    another error of READONLY here, after which nobody knows that nothing was done."""

    async def read_response(self, *args: Any, **options: Any) -> Any:
        return await Connection.read_response(self, *args, **options)


class _TlsPrimary(_Primary, SSLConnection):
    pass


class _Sentinels(Sentinel):
    """After a failure, or when there was no time for more, another one is asked first."""

    async def discover_master(self, service_name: str) -> Any:
        try:
            return await super().discover_master(service_name)
        except BaseException:
            self.sentinels.append(self.sentinels.pop(0))
            raise


def connection_pool(url: str, *, connect_seconds: float) -> ConnectionPool[Any]:
    """A pool of redis-py's. Its connections have no limit of time but for connecting."""
    limits: dict[str, Any] = {"decode_responses": True, "socket_connect_timeout": connect_seconds}
    if urlsplit(url).scheme != "unix":
        limits["socket_keepalive"] = True
    if is_sentinel_url(url):
        return _pool_behind_sentinels(SentinelUrl.parse(url), limits)
    pool: ConnectionPool[Any] = ConnectionPool.from_url(url, **limits)
    # What the address says of them would come first.
    pool.connection_kwargs = {**pool.connection_kwargs, **limits, "socket_timeout": None}
    return pool


def _pool_behind_sentinels(url: SentinelUrl, limits: dict[str, Any]) -> ConnectionPool[Any]:
    server: dict[str, Any] = dict(parse_url(url.server))
    server.pop("host")
    server.pop("connection_class", None)
    certificates = {key: value for key, value in server.items() if key.startswith("ssl_")}
    asked = {
        **(certificates | {"ssl": True} if url.tls else {}),
        **url.login,
        "socket_connect_timeout": SENTINEL_SECONDS,
        "socket_timeout": SENTINEL_SECONDS,
    }
    return SentinelConnectionPool(
        url.name,
        _Sentinels(url.hosts, sentinel_kwargs=asked),
        connection_class=_TlsPrimary if url.tls else _Primary,
        **{**server, **limits, "socket_timeout": None},
    )
