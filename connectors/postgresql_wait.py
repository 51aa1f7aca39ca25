"""How long PostgreSQL may take to answer, by our own clock.

The server's limits do not hold where the server does not run: frozen, or behind a pooler or proxy
that is, while the kernel there still acknowledges every packet. psycopg2 waits for ever then. It
lets its waiting be done by a function, for the whole process; this one has a limit, after which
psycopg2 closes the connection.
"""

from __future__ import annotations

import select
import time

from psycopg2 import OperationalError
from psycopg2 import extensions as psycopg2

CONNECT_SECONDS = 5.0
# More than any statement may take by the server's own limit.
ANSWER_SECONDS = 75.0
_EVENTS = {psycopg2.POLL_READ: select.POLLIN, psycopg2.POLL_WRITE: select.POLLOUT}


class LimitedConnection(psycopg2.connection):
    """`answer_seconds` may be changed, for statements that take longer."""

    answer_seconds = ANSWER_SECONDS


def limit_waiting() -> None:
    """From now on, for all connections of psycopg2 in this process."""
    psycopg2.set_wait_callback(wait)


def wait(connection: psycopg2.connection) -> None:
    """Until the server has answered. Raises psycopg2's OperationalError when it takes too long."""
    is_connecting = connection.status == psycopg2.STATUS_SETUP
    seconds = getattr(connection, "answer_seconds", ANSWER_SECONDS)
    seconds = CONNECT_SECONDS if is_connecting else seconds
    until = time.monotonic() + seconds
    while (state := connection.poll()) != psycopg2.POLL_OK:
        poller = select.poll()
        poller.register(connection.fileno(), _EVENTS[state])
        if not poller.poll(max(until - time.monotonic(), 0) * 1000):
            raise OperationalError(f"PostgreSQL has not answered in {seconds:g} s")
