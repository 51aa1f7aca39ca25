"""Other systems are told what happened, signed, until they have heard it."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import sqlalchemy as sql
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.store import Store
from local.ports import free_port
from review import tables, webhooks
from review.announcements import EVENTS
from review.database import Database
from review.errors import Unusable
from review.prices import Prices
from review.projection import Projection
from review.taker import Taker
from review.webhooks import FIRST_WAIT_MS, LONGEST_WAIT_MS, Messenger, wait_ms
from tests.pretend_business import serving
from tests.review.said import Customer

pytestmark = pytest.mark.integration


@contextmanager
def listening() -> Iterator[tuple[str, list[tuple[Headers, bytes]]]]:
    """Another system: its address, and what it was told."""
    posts: list[tuple[Headers, bytes]] = []

    async def hear(request: Request) -> Response:
        posts.append((request.headers, await request.body()))
        return Response(status_code=204)

    app = Starlette(routes=[Route("/", hear, methods=["POST"])])
    config = uvicorn.Config(app, port=free_port(), log_level="error", ws="none")
    with serving(uvicorn.Server(config)) as url:
        yield f"{url}/", posts


def subscribe(database: Database, url: str, *events: str) -> str:
    with database.writing() as connection:
        return webhooks.add(connection, url, list(events), by="test")


def deliveries(database: Database) -> list[dict[str, Any]]:
    with database.reading() as connection:
        query = sql.select(tables.webhook_deliveries).order_by(tables.webhook_deliveries.c.id)
        return [dict(row) for row in connection.execute(query).mappings()]


def make_all_due(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(tables.webhook_deliveries.update().values(due_ms=0))


async def everything_happens(store: Store, database: Database) -> Customer:
    ada = Customer(store)
    await ada.opens()
    part = await ada.is_told("Hi", await ada.texts("Hello"))
    await ada.gets(part, "undelivered", "30007")
    await ada.record("handover.asked", {"reason": "angry", "asked_by": "model"})
    await ada.record("consent", {"state": "out", "how": "keyword"})
    await ada.record("session.ended", {"reason": "stop", "at_ms": 1})
    taker = Taker(store, database, Projection(Prices("USD", 0.01, 0.01, {})))
    await taker.once()
    return ada


async def test_each_event_is_told_once_signed_and_without_a_customers_words(
    store: Store, database: Database
) -> None:
    with listening() as (url, posts):
        secret = subscribe(database, url, *EVENTS)
        ada = await everything_happens(store, database)
        async with httpx.AsyncClient(trust_env=False) as client:
            messenger = Messenger(database)
            assert await messenger.once(client) == 5
            assert await messenger.once(client) == 0
    assert {delivery["event"] for delivery in deliveries(database)} == set(EVENTS)
    assert all(delivery["done_ms"] for delivery in deliveries(database))
    for delivery in deliveries(database):
        assert json.loads(delivery["body"])["session"] == ada.session
        assert ada.number not in delivery["body"]
        assert "Hello" not in delivery["body"]
    assert len(posts) == 5
    for headers, body in posts:
        at, _, told = headers["x-review-signature"].removeprefix("t=").partition(",v1=")
        signed = f"{at}.".encode() + body
        assert told == hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        assert json.loads(body)["event"] == headers["x-review-event"]


async def test_who_does_not_answer_is_told_again_and_later_each_time(
    store: Store, sqlite: Database
) -> None:
    subscribe(sqlite, "http://127.0.0.1:9/nobody-is-there", "session.opened")
    await everything_happens(store, sqlite)
    async with httpx.AsyncClient(trust_env=False) as client:
        messenger = Messenger(sqlite)
        assert await messenger.once(client) == 1
        assert await messenger.once(client) == 0, "not before its time"
        make_all_due(sqlite)
        assert await messenger.once(client) == 1
    (delivery,) = deliveries(sqlite)
    assert (delivery["tries"], delivery["done_ms"]) == (2, 0)
    assert delivery["trouble"] == "ConnectError"
    with sqlite.reading() as connection:
        (hook,) = webhooks.webhooks(connection)
    assert (hook["waiting"], hook["trouble"]) == (1, "ConnectError")


async def test_an_address_that_cannot_be_one_does_not_hold_up_the_others(
    store: Store, sqlite: Database
) -> None:
    with listening() as (url, posts):
        subscribe(sqlite, "http://xn--a/", "session.opened")
        subscribe(sqlite, url, "session.opened")
        await everything_happens(store, sqlite)
        async with httpx.AsyncClient(trust_env=False) as client:
            messenger = Messenger(sqlite)
            assert await messenger.once(client) == 2
            assert await messenger.once(client) == 0, "not before its time"
    assert [bool(delivery["trouble"]) for delivery in deliveries(sqlite)] == [True, False]
    assert len(posts) == 1


def test_waits_grow_up_to_an_hour() -> None:
    assert [wait_ms(tries) for tries in (1, 2, 3)] == [5_000, 10_000, 20_000]
    assert (wait_ms(1), wait_ms(30)) == (FIRST_WAIT_MS, LONGEST_WAIT_MS)


def test_an_address_or_an_event_that_is_none_is_refused(sqlite: Database) -> None:
    for url, event in (("ftp://x.example", EVENTS[0]), ("https://", EVENTS[0]), ("https://x", "y")):
        with pytest.raises(Unusable):
            subscribe(sqlite, url, event)


async def test_who_is_told_no_more_is_forgotten_with_what_waited(
    store: Store, database: Database
) -> None:
    subscribe(database, "http://127.0.0.1:9/", *EVENTS)
    await everything_happens(store, database)
    with database.writing() as connection:
        webhooks.delete(connection, 1, "test")
    assert deliveries(database) == []
