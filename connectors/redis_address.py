"""Where Redis is: REDIS_URL, read once into what redis-py needs to connect.

A single server, or a name in front of one: redis://, rediss:// and unix://, as redis-py has them.
Behind Sentinels: redis+sentinel://[user:password@]host:26379,host:26379/NAME/0, or rediss+sentinel://
for TLS to the servers and the Sentinels. User and password are those of the servers; Sentinels that
ask for their own get them by ?sentinel_username= and ?sentinel_password=.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from redis.asyncio.connection import Connection, ConnectionPool, SSLConnection, parse_url
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool, SentinelManagedConnection

SENTINEL_SCHEMES = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
SENTINEL_PORT = 26379
# Of several Sentinels one may hang: the next one is asked well before a caller's limit is over.
SENTINEL_SECONDS = 0.3


@dataclass(frozen=True)
class SentinelAddress:
    """`connection` is what redis-py's connection to the primary takes, `sentinel` that to each of
    the Sentinels; both without limits of time."""

    hosts: tuple[tuple[str, int], ...]
    name: str
    connection: Mapping[str, Any]
    sentinel: Mapping[str, Any]
    tls: bool


class _Primary(SentinelManagedConnection):
    """Where the Sentinels say that the primary is. What it answers is told as it is: redis-py makes
    another error of READONLY here, after which nobody knows that nothing was done."""

    async def read_response(self, *args: Any, **options: Any) -> Any:
        return await Connection.read_response(self, *args, **options)


class _TlsPrimary(_Primary, SSLConnection):
    pass


def is_behind_sentinels(url: str) -> bool:
    return url.partition("://")[0] in SENTINEL_SCHEMES


def connection_pool(url: str, *, connect_seconds: float) -> ConnectionPool[Any]:
    """A pool of redis-py's. Its connections have no limit of time but for connecting."""
    limits: dict[str, Any] = {
        "decode_responses": True,
        "socket_connect_timeout": connect_seconds,
        "socket_keepalive": True,
    }
    if not is_behind_sentinels(url):
        if urlsplit(url).scheme == "unix":
            limits.pop("socket_keepalive")
        return ConnectionPool.from_url(url, **limits)
    address = read_sentinel_url(url)
    asked = {
        **address.sentinel,
        "socket_connect_timeout": SENTINEL_SECONDS,
        "socket_timeout": SENTINEL_SECONDS,
    }
    return SentinelConnectionPool(
        address.name,
        Sentinel(address.hosts, sentinel_kwargs=asked),
        connection_class=_TlsPrimary if address.tls else _Primary,
        **address.connection,
        **limits,
    )


def read_sentinel_url(url: str) -> SentinelAddress:
    """Raises ValueError, which repeats nothing of the address: it may carry a password."""
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    name, _, database = parts.path.strip("/").partition("/")
    if not name:
        raise ValueError("names no primary: .../NAME/0, as the Sentinels call it")
    if database and not database.isdigit():
        raise ValueError("ends with /NAME/DATABASE, where DATABASE is a number")
    query = dict(parse_qsl(parts.query))
    own = {key: query.pop(f"sentinel_{key}", "") for key in ("username", "password")}
    scheme = SENTINEL_SCHEMES[parts.scheme]
    # The rest is as redis-py reads it: user, password, database, certificates.
    plain = f"{scheme}://{login and login + '@'}host/{database or 0}?{urlencode(query)}"
    read: dict[str, Any] = dict(parse_url(plain))
    read.pop("host")
    read.pop("connection_class", None)
    tls = scheme == "rediss"
    shared = {key: value for key, value in read.items() if key.startswith("ssl_")}
    return SentinelAddress(
        tuple(_host(each) for each in hosts.split(",")),
        unquote(name),
        read,
        {**shared, **({"ssl": True} if tls else {}), **{k: v for k, v in own.items() if v}},
        tls,
    )


def _host(given: str) -> tuple[str, int]:
    """Reads host, host:26379 or [::1]:26379."""
    try:
        parts = urlsplit(f"//{given}")
        host, port = parts.hostname, parts.port
    except ValueError:  # a bracket or a port that is none
        host, port = None, None
    if not host:
        raise ValueError("has something between // and /NAME that is no HOST:PORT")
    return host, port or SENTINEL_PORT
