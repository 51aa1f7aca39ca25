"""Messenger: tells other systems what happened, signed, until they have heard it.

What is to be told was written together with what it tells (announcements); here it is sent. The
signature is an HMAC-SHA256 of time and body with the webhook's secret:
`X-Review-Signature: t=SECONDS,v1=HEX` over `SECONDS.BODY`. An answer of 2xx is a receipt;
anything else is tried again for a day, ever more slowly.

Each receiver is told one thing at a time, the oldest that is due first, by whichever process has
claimed it in SQL; receivers do not wait for each other. A process that dies with a claim lets it
go by the claim's own end: then the receiver may hear it twice, under the same id.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
import traceback
from collections.abc import Mapping
from typing import Any

import async_timeout
import httpx
import sqlalchemy as sql
import structlog

from review import tables
from review.database import Database
from review.errors import DatabaseUnavailable, Unusable
from review.outside import Outside, PinnedTransport

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
ANSWER_SECONDS = 10.0
CLAIM_MS = 30_000  # well over ANSWER_SECONDS
AT_ONCE = 20
FIRST_WAIT_MS = 5_000
LONGEST_WAIT_MS = 3_600_000
MOST_TRIES = 30  # about a day
KEPT_MS = 7 * 86_400_000

_d = tables.webhook_deliveries.c
_w = tables.webhooks.c

Delivery = Mapping[str, Any]


class Messenger:
    """`run` until cancelled. A delivery may arrive twice, never not at all: it carries an id."""

    def __init__(
        self, database: Database, outside: Outside, seconds: float = ANSWER_SECONDS
    ) -> None:
        self.database = database
        self.outside = outside
        self.seconds = seconds
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        telling: dict[int, asyncio.Task[int]] = {}
        async with self._client() as client:
            try:
                while True:
                    for receiver in await self._receivers():
                        if receiver not in telling or telling[receiver].done():
                            told = self._tell_all(client, receiver)
                            telling[receiver] = asyncio.create_task(told)
                    await asyncio.sleep(LOOK_SECONDS)
            finally:
                for task in telling.values():
                    task.cancel()
                await asyncio.gather(*telling.values(), return_exceptions=True)

    async def once(self) -> int:
        """Try what is due; how much that was."""
        async with self._client() as client:
            receivers = await self._receivers()
            return sum(await asyncio.gather(*(self._tell_all(client, r) for r in receivers)))

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=PinnedTransport(self.outside, AT_ONCE),
            timeout=self.seconds,
            follow_redirects=False,
            trust_env=False,
        )

    async def _receivers(self) -> list[int]:
        """Those to whom something is due."""
        try:
            return await asyncio.to_thread(self._due)
        except DatabaseUnavailable:
            return []

    def _due(self) -> list[int]:
        query = sql.select(_d.webhook_id).where(_d.done_ms == 0, _d.due_ms <= _now()).distinct()
        with self.database.reading() as connection:
            return [int(receiver) for receiver in connection.execute(query).scalars()]

    async def _tell_all(self, client: httpx.AsyncClient, receiver: int) -> int:
        """One after the other, so that they arrive in their order; how many were tried."""
        tried = 0
        try:
            while True:
                async with self._slots:  # for each anew: a long queue lets the others by
                    delivery = await asyncio.to_thread(self._claim, receiver)
                    if delivery is None:
                        return tried
                    trouble = await self._deliver(client, delivery)
                    await asyncio.to_thread(self._note, delivery, trouble)
                    tried += 1
        except DatabaseUnavailable:
            return tried
        except Exception:
            log.error("webhooks.failed", trace=traceback.format_exc(), then="tries again")
            return tried

    def _claim(self, receiver: int) -> Delivery | None:
        """The next thing to tell, ours until its claim ends; None if another process tells."""
        now = _now()
        theirs = sql.select(_d.id).where(_d.webhook_id == receiver, _d.claimed_ms > now)
        query = (
            sql.select(_d.id, _d.event, _d.body, _d.tries, _w.url, _w.secret)
            .join(tables.webhooks, _w.id == _d.webhook_id)
            .where(_d.webhook_id == receiver, _d.done_ms == 0, _d.due_ms <= now)
            .order_by(_d.due_ms, _d.id)
            .limit(1)
        )
        # Atomic: on both databases one transaction writes at a time, see database.writing.
        with self.database.writing() as connection:
            if connection.execute(theirs.limit(1)).first():
                return None
            found = connection.execute(query).mappings().first()
            if found is None:
                return None
            until = now + CLAIM_MS
            this = tables.webhook_deliveries.update().where(_d.id == found["id"])
            connection.execute(this.values(claimed_ms=until))
            return {**found, "claimed_ms": until}

    async def _deliver(self, client: httpx.AsyncClient, delivery: Delivery) -> str:
        """What went wrong, "" if nothing did."""
        body = str(delivery["body"]).encode()
        headers = {
            "Content-Type": "application/json",
            "X-Review-Event": delivery["event"],
            "X-Review-Delivery": str(delivery["id"]),
            "X-Review-Signature": signature(delivery["secret"], body, int(time.time())),
        }
        try:
            # httpx counts the time anew for each piece, and nobody needs to read the answer.
            async with async_timeout.timeout(self.seconds):
                request = client.stream("POST", delivery["url"], content=body, headers=headers)
                async with request as answer:
                    return "" if answer.is_success else f"it answered {answer.status_code}"
        except Unusable as error:
            return str(error)
        # Some names that are none are noticed only when they are looked up.
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError, TimeoutError) as error:
            return type(error).__name__
        except asyncio.TimeoutError:
            return "it did not answer in time"

    def _note(self, delivery: Delivery, trouble: str) -> None:
        tries = delivery["tries"] + 1
        over = not trouble or tries >= MOST_TRIES
        values = {
            **{"tries": tries, "trouble": trouble, "claimed_ms": 0},
            "done_ms": _now() if over else 0,
            "due_ms": _now() + wait_ms(tries),
        }
        if trouble:
            log.warning(
                "webhook.not_delivered", delivery=delivery["id"], reason=trouble, tries=tries
            )
        ours = sql.and_(_d.id == delivery["id"], _d.claimed_ms == delivery["claimed_ms"])
        with self.database.writing() as connection:
            connection.execute(tables.webhook_deliveries.update().where(ours).values(values))
            old = sql.and_(_d.done_ms > 0, _d.done_ms < _now() - KEPT_MS)
            connection.execute(tables.webhook_deliveries.delete().where(old))


def signature(secret: str, body: bytes, at: int) -> str:
    """What the receiver computes and compares; `at` in seconds, so that old ones can be refused."""
    told = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={told}"


def wait_ms(tries: int) -> int:
    """How long until the next try, after so many."""
    return int(min(FIRST_WAIT_MS * 2 ** (tries - 1), LONGEST_WAIT_MS))


def _now() -> int:
    return int(time.time() * 1000)
