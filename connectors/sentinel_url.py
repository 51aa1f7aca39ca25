"""REDIS_URL where Sentinels say which server is the primary. Pure.

redis+sentinel://[user:password@]host:26379,host:26379/NAME/0, or rediss+sentinel:// for TLS to the
servers and the Sentinels. User and password are those of the servers; Sentinels that ask for their
own get them by ?sentinel_username= and ?sentinel_password=.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

SCHEMES = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
PORT = 26379


@dataclass(frozen=True)
class SentinelUrl:
    """`name` is what the Sentinels call the primary. `server` is a server's address as redis-py
    reads it, with "host" for the host: login, database, certificates. `login` is the Sentinels'
    own: username, password, or nothing."""

    hosts: tuple[tuple[str, int], ...]
    name: str
    server: str = field(repr=False)
    login: Mapping[str, str] = field(repr=False)
    tls: bool

    @classmethod
    def parse(cls, url: str) -> SentinelUrl:
        """Raises ValueError, which repeats nothing of the address: it may carry a password."""
        parts = urlsplit(url)
        user, _, hosts = parts.netloc.rpartition("@")
        name, _, database = parts.path.strip("/").partition("/")
        if not name:
            raise ValueError("names no primary: .../NAME/0, as the Sentinels call it")
        if database and not database.isdigit():
            raise ValueError("ends with /NAME/DATABASE, where DATABASE is a number")
        query = dict(parse_qsl(parts.query))
        own = {key: query.pop(f"sentinel_{key}", "") for key in ("username", "password")}
        scheme = SCHEMES[parts.scheme]
        server = f"{scheme}://{user and user + '@'}host/{database or 0}"
        return cls(
            tuple(_host(each) for each in hosts.split(",")),
            unquote(name),
            f"{server}?{urlencode(query)}" if query else server,
            {key: value for key, value in own.items() if value},
            scheme == "rediss",
        )


def is_sentinel_url(url: str) -> bool:
    return url.partition("://")[0] in SCHEMES


def _host(given: str) -> tuple[str, int]:
    """Reads host, host:26379 or [::1]:26379."""
    try:
        parts = urlsplit(f"//{given}")
        host, port = parts.hostname, parts.port
    except ValueError:  # a bracket or a port that is none
        host, port = None, None
    if not host:
        raise ValueError("has something between // and /NAME that is no HOST:PORT")
    return host, port or PORT
