"""Ready: asks a server whether it answers, and waits until it does.

`python -m local.ready HOST:PORT ... -- COMMAND` runs a command once these Redis servers answer, or
web servers where it is http://...: Rasa then starts without complaints.
"""

from __future__ import annotations

import os
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence

SECONDS_TO_ANSWER = 2.0
SECONDS_BETWEEN = 0.1
PATIENCE_SECONDS = 120.0
# No proxy: what we ask is on this machine.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def answers(address: str) -> bool:
    return _web_answers(address) if "://" in address else _redis_answers(address)


def _web_answers(address: str) -> bool:
    try:
        with _direct.open(address, timeout=SECONDS_TO_ANSWER) as reply:
            return bool(reply.status == 200)
    except (OSError, ValueError):  # HTTPError and URLError are OSErrors
        return False


def _redis_answers(address: str) -> bool:
    """PONG. While it still loads its append-only file it says LOADING instead."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=SECONDS_TO_ANSWER) as redis:
            redis.sendall(b"PING\r\n")
            return redis.recv(7) == b"+PONG\r\n"
    except OSError:
        return False


def wait(addresses: Sequence[str], seconds: float = PATIENCE_SECONDS) -> Sequence[str]:
    """Returns those that still do not answer when the time is over."""
    until = time.monotonic() + seconds
    silent = list(addresses)
    while silent := [address for address in silent if not answers(address)]:
        if time.monotonic() > until:
            break
        time.sleep(SECONDS_BETWEEN)
    return silent


def main(arguments: list[str]) -> None:
    split = arguments.index("--")
    if silent := wait(arguments[:split]):
        sys.exit(f"no answer from {', '.join(silent)}")
    command = arguments[split + 1 :]
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
