"""Webhooks: tells other systems what happened, signed, until they have heard it.

What is to be told was written together with what it tells (announcements); here it is sent. The
signature is an HMAC-SHA256 of time and body with the webhook's secret:
`X-Review-Signature: t=SECONDS,v1=HEX` over `SECONDS.BODY`. An answer of 2xx is a receipt;
anything else is tried again for a day, ever more slowly.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
import traceback
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import sqlalchemy as sql
import structlog
from sqlalchemy.engine import Connection

from review import tables
from review.announcements import EVENTS
from review.auditing import note
from review.database import Database
from review.errors import DatabaseUnavailable, NotThere, Unusable

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
ANSWER_SECONDS = 10.0
AT_ONCE = 20
FIRST_WAIT_MS = 5_000
LONGEST_WAIT_MS = 3_600_000
MOST_TRIES = 30  # about a day
KEPT_MS = 7 * 86_400_000

_d = tables.webhook_deliveries.c
_w = tables.webhooks.c


class Messenger:
    """`run` until cancelled. A delivery may arrive twice, never not at all: it carries an id."""

    def __init__(self, database: Database, seconds: float = ANSWER_SECONDS) -> None:
        self.database = database
        self.seconds = seconds

    async def run(self) -> None:
        async with httpx.AsyncClient(
            timeout=self.seconds,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=AT_ONCE),
        ) as client:
            while True:
                try:
                    if not await self.once(client):
                        await asyncio.sleep(LOOK_SECONDS)
                except DatabaseUnavailable:
                    await asyncio.sleep(LOOK_SECONDS)
                except Exception:
                    log.error("webhooks.failed", trace=traceback.format_exc(), then="tries again")
                    await asyncio.sleep(LOOK_SECONDS)

    async def once(self, client: httpx.AsyncClient) -> int:
        """Try what is due; how many there were."""
        due = await asyncio.to_thread(self._due)
        await asyncio.gather(*(self._deliver(client, delivery) for delivery in due))
        return len(due)

    def _due(self) -> list[Mapping[str, Any]]:
        query = (
            sql.select(
                *(_d.id, _d.event, _d.body, _d.tries),
                *(_w.url, _w.secret),
            )
            .join(tables.webhooks, _w.id == _d.webhook_id)
            .where(_d.done_ms == 0, _d.due_ms <= _now())
            .order_by(_d.due_ms)
            .limit(AT_ONCE)
        )
        with self.database.reading() as connection:
            return list(connection.execute(query).mappings())

    async def _deliver(self, client: httpx.AsyncClient, delivery: Mapping[str, Any]) -> None:
        body = str(delivery["body"]).encode()
        headers = {
            "Content-Type": "application/json",
            "X-Review-Event": delivery["event"],
            "X-Review-Delivery": str(delivery["id"]),
            "X-Review-Signature": signature(delivery["secret"], body, int(time.time())),
        }
        try:
            answer = await client.post(delivery["url"], content=body, headers=headers)
            trouble = "" if answer.is_success else f"it answered {answer.status_code}"
        # Some names that are none are noticed only when they are looked up.
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            trouble = type(error).__name__
        await asyncio.to_thread(self._note, delivery, trouble)

    def _note(self, delivery: Mapping[str, Any], trouble: str) -> None:
        tries = delivery["tries"] + 1
        over = not trouble or tries >= MOST_TRIES
        values = {
            "tries": tries,
            "trouble": trouble,
            "done_ms": _now() if over else 0,
            "due_ms": _now() + wait_ms(tries),
        }
        if trouble:
            log.warning(
                "webhook.not_delivered", delivery=delivery["id"], reason=trouble, tries=tries
            )
        with self.database.writing() as connection:
            change = tables.webhook_deliveries.update().where(_d.id == delivery["id"])
            connection.execute(change.values(values))
            old = sql.and_(_d.done_ms > 0, _d.done_ms < _now() - KEPT_MS)
            connection.execute(tables.webhook_deliveries.delete().where(old))


def signature(secret: str, body: bytes, at: int) -> str:
    """What the receiver computes and compares; `at` in seconds, so that old ones can be refused."""
    told = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={told}"


def wait_ms(tries: int) -> int:
    """How long until the next try, after so many."""
    return int(min(FIRST_WAIT_MS * 2 ** (tries - 1), LONGEST_WAIT_MS))


def webhooks(connection: Connection) -> list[dict[str, Any]]:
    """Without their secrets, with what they are behind with."""
    waiting = (
        sql.select(_d.webhook_id, sql.func.count().label("waiting"), sql.func.max(_d.trouble))
        .where(_d.done_ms == 0)
        .group_by(_d.webhook_id)
    )
    behind = {row[0]: (row[1], row[2]) for row in connection.execute(waiting)}
    query = sql.select(_w.id, _w.url, _w.events, _w.author, _w.created_ms).order_by(_w.id)
    return [
        {
            **row,
            "events": row["events"].split(),
            "waiting": behind.get(row["id"], (0, ""))[0],
            "trouble": behind.get(row["id"], (0, ""))[1],
        }
        for row in connection.execute(query).mappings()
    ]


def add(connection: Connection, url: str, events: list[str], by: str) -> str:
    """The secret, which is shown this once. Raises Unusable."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and len(url) <= 2000
    except ValueError:
        good = False
    if not good or not url.isprintable():
        raise Unusable("The address must begin with https:// or http://.")
    if not events or set(events) - set(EVENTS):
        raise Unusable(f"Events are {', '.join(EVENTS)}.")
    secret = f"whsec_{secrets.token_urlsafe(32)}"
    connection.execute(
        tables.webhooks.insert().values(
            url=url, secret=secret, events=" ".join(sorted(set(events))), author=by,
            created_ms=_now(),
        )
    )  # fmt: skip
    note(connection, by, "added a webhook", details=f"{parts.scheme}://{parts.hostname}")
    return secret


def delete(connection: Connection, webhook_id: int, by: str) -> None:
    """With what it was not told yet. Raises NotThere."""
    connection.execute(tables.webhook_deliveries.delete().where(_d.webhook_id == webhook_id))
    if not connection.execute(tables.webhooks.delete().where(_w.id == webhook_id)).rowcount:
        raise NotThere("There is no such webhook.")
    note(connection, by, "deleted a webhook", details=str(webhook_id))


def _now() -> int:
    return int(time.time() * 1000)
