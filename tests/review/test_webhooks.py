"""Other systems are told what happened, signed, until they have heard it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import async_timeout
import pytest
import sqlalchemy as sql
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
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
from review.messenger import CLAIM_MS, FIRST_WAIT_MS, LONGEST_WAIT_MS, Messenger, wait_ms
from review.outside import Outside
from review.prices import Prices
from review.projection import Projection
from review.taker import Taker
from tests.pretend_business import serving
from tests.review.office import WAIT_S
from tests.review.said import Customer

pytestmark = pytest.mark.integration

HERE = Outside(private=True)


@dataclass
class Receiver:
    """Another system: what it was told, and how it answers; `open` lets it answer."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    posts: list[tuple[Headers, bytes]] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    async def hear(self, request: Request) -> Response:
        self.posts.append((request.headers, await request.body()))
        await run_in_threadpool(self.open.wait, WAIT_S)
        return Response(status_code=self.status, headers=self.headers)

    @property
    def events(self) -> list[str]:
        return [headers["x-review-event"] for headers, _ in self.posts]


@contextmanager
def listening(
    *, is_open: bool = True, tls: Path | None = None, **answers: Any
) -> Iterator[Receiver]:
    receiver = Receiver(**answers)
    if is_open:
        receiver.open.set()
    app = Starlette(routes=[Route("/", receiver.hear, methods=["POST"])])
    config = uvicorn.Config(app, port=free_port(), log_level="error", ws="none", ssl_certfile=tls)
    try:
        with serving(uvicorn.Server(config)) as url:
            receiver.url = f"{url}/"
            yield receiver
            receiver.open.set()
    finally:
        receiver.open.set()


def subscribe(database: Database, url: str, *events: str, outside: Outside = HERE) -> str:
    return webhooks.add(database, outside, url, list(events), by="test")


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
    with listening() as receiver:
        secret = subscribe(database, receiver.url, *EVENTS)
        ada = await everything_happens(store, database)
        assert await Messenger(database, HERE).once() == 5
        assert await Messenger(database, HERE).once() == 0
    assert {delivery["event"] for delivery in deliveries(database)} == set(EVENTS)
    assert all(delivery["done_ms"] for delivery in deliveries(database))
    for delivery in deliveries(database):
        assert json.loads(delivery["body"])["session"] == ada.session
        assert ada.number not in delivery["body"]
        assert "Hello" not in delivery["body"]
    assert len(receiver.posts) == 5
    for headers, body in receiver.posts:
        at, _, told = headers["x-review-signature"].removeprefix("t=").partition(",v1=")
        signed = f"{at}.".encode() + body
        assert told == hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        assert json.loads(body)["event"] == headers["x-review-event"]


async def test_who_does_not_answer_is_told_again_and_later_each_time(
    store: Store, sqlite: Database
) -> None:
    subscribe(sqlite, "http://127.0.0.1:9/nobody-is-there", "session.opened")
    await everything_happens(store, sqlite)
    assert await Messenger(sqlite, HERE).once() == 1
    assert await Messenger(sqlite, HERE).once() == 0, "not before its time"
    make_all_due(sqlite)
    assert await Messenger(sqlite, HERE).once() == 1
    (delivery,) = deliveries(sqlite)
    assert (delivery["tries"], delivery["done_ms"]) == (2, 0)
    assert delivery["trouble"] == "ConnectError"
    with sqlite.reading() as connection:
        (hook,) = webhooks.webhooks(connection)
    assert (hook["waiting"], hook["trouble"]) == (1, "ConnectError")


async def test_an_address_that_cannot_be_one_does_not_hold_up_the_others(
    store: Store, sqlite: Database
) -> None:
    with listening() as receiver:
        subscribe(sqlite, "http://127.0.0.1:9/", "session.opened")
        subscribe(sqlite, receiver.url, "session.opened")
        with sqlite.writing() as connection:  # as an earlier version may have kept it
            first = tables.webhooks.update().where(tables.webhooks.c.id == 1)
            connection.execute(first.values(url="http://xn--a/"))
        await everything_happens(store, sqlite)
        assert await Messenger(sqlite, HERE).once() == 2
        assert await Messenger(sqlite, HERE).once() == 0, "not before its time"
    assert [bool(delivery["trouble"]) for delivery in deliveries(sqlite)] == [True, False]
    assert len(receiver.posts) == 1


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


# Once, in order, and beside each other


async def test_several_processes_tell_each_thing_once_and_in_order(
    store: Store, database: Database
) -> None:
    with listening() as receiver:
        subscribe(database, receiver.url, *EVENTS)
        await everything_happens(store, database)
        told = await asyncio.gather(*(Messenger(database, HERE).once() for _ in range(4)))
    assert sum(told) == 5
    assert receiver.events == [delivery["event"] for delivery in deliveries(database)]


async def test_a_claim_keeps_others_away_until_it_ends(store: Store, database: Database) -> None:
    with listening() as receiver:
        subscribe(database, receiver.url, "session.opened")
        await everything_happens(store, database)
        for claimed_ms, heard in ((int(time.time() * 1000) + CLAIM_MS, 0), (1, 1)):
            with database.writing() as connection:  # a process has died, now and long ago
                claim = tables.webhook_deliveries.update().values(claimed_ms=claimed_ms)
                connection.execute(claim)
            assert await Messenger(database, HERE).once() == heard
    assert len(receiver.posts) == 1


async def test_one_that_does_not_answer_holds_up_nobody_else(
    store: Store, sqlite: Database
) -> None:
    with listening(is_open=False) as slow, listening() as quick:
        subscribe(sqlite, slow.url, *EVENTS)
        subscribe(sqlite, quick.url, *EVENTS)
        running = asyncio.create_task(Messenger(sqlite, HERE, seconds=WAIT_S).run())
        try:
            await everything_happens(store, sqlite)
            async with async_timeout.timeout(WAIT_S):
                while len(quick.posts) < 5 or not slow.posts:
                    await asyncio.sleep(0.02)
            assert len(slow.posts) == 1, "one after the other"
        finally:
            slow.open.set()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_one_that_never_answers_is_left_in_time(store: Store, sqlite: Database) -> None:
    with listening(is_open=False) as receiver:
        subscribe(sqlite, receiver.url, "session.opened")
        await everything_happens(store, sqlite)
        assert await Messenger(sqlite, HERE, seconds=0.2).once() == 1
    (delivery,) = deliveries(sqlite)
    assert (delivery["tries"], delivery["done_ms"]) == (1, 0)
    assert "time" in delivery["trouble"].lower()


# Nowhere but outside

INSIDE = (
    *("127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::]", "2130706433", "0x7f000001", "127.1"),
    *("10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "[fd12::1]", "[fec0::1]"),
    *("169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "168.63.129.16", "224.0.0.1"),
    *("[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "a:b@127.0.0.1"),
)
NEVER = ("169.254.169.254", "[fe80::1]", "168.63.129.16", "[::ffff:169.254.169.254]", "0.0.0.0")


@pytest.mark.parametrize("host", INSIDE)
def test_what_is_inside_is_refused_when_it_is_saved(host: str, sqlite: Database) -> None:
    with pytest.raises(Unusable, match="not outside"):
        subscribe(sqlite, f"http://{host}:8000/", EVENTS[0], outside=Outside())


def test_an_address_outside_is_taken(sqlite: Database) -> None:
    subscribe(sqlite, "https://93.184.216.34/sms", EVENTS[0], outside=Outside())
    subscribe(sqlite, "https://[2606:2800:220:1::]/sms", EVENTS[0], outside=Outside())


@pytest.mark.parametrize("host", NEVER)
def test_who_allows_private_hosts_does_not_allow_the_clouds_secrets(
    host: str, sqlite: Database
) -> None:
    with pytest.raises(Unusable, match="not outside"):
        subscribe(sqlite, f"http://{host}/", EVENTS[0])


def names(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """The names that were looked up; each time the next address is the answer."""
    asked: list[str] = []

    def look_up(host: str, port: Any, *args: Any, **more: Any) -> list[Any]:
        asked.append(host)
        address = addresses[min(len(asked), len(addresses)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or 0))]

    async def look_up_later(_: Any, host: str, port: Any, **more: Any) -> list[Any]:
        return look_up(host, port)

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", look_up_later)
    monkeypatch.setattr("review.outside.socket.getaddrinfo", look_up)
    return asked


async def test_a_name_that_points_inside_later_leads_nowhere(
    store: Store, sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening() as receiver:
        names(monkeypatch, "93.184.216.34", "127.0.0.1")
        port = receiver.url.rsplit(":", 1)[1]
        subscribe(sqlite, f"http://rebind.example:{port}", "session.opened", outside=Outside())
        await everything_happens(store, sqlite)
        assert await Messenger(sqlite, Outside()).once() == 1
    assert receiver.posts == []
    assert "not outside" in deliveries(sqlite)[0]["trouble"]


async def test_a_name_is_looked_up_once_and_stays_in_the_request(
    store: Store, sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening() as receiver:
        port = receiver.url.rsplit(":", 1)[1]
        asked = names(monkeypatch, "127.0.0.1", "127.0.0.1", "192.0.2.1")
        subscribe(sqlite, f"http://crm.example:{port}", "session.opened")
        await everything_happens(store, sqlite)
        asked.remove("crm.example")
        assert await Messenger(sqlite, HERE).once() == 1
    ((headers, _),) = receiver.posts
    assert (asked, headers["host"]) == (["crm.example"], f"crm.example:{port.strip('/')}")


async def test_nobody_is_followed_elsewhere(store: Store, sqlite: Database) -> None:
    with listening() as other, listening(status=307) as receiver:
        receiver.headers["location"] = other.url
        subscribe(sqlite, receiver.url, "session.opened")
        await everything_happens(store, sqlite)
        await Messenger(sqlite, HERE).once()
    assert (len(receiver.posts), other.posts) == (1, [])
    assert deliveries(sqlite)[0]["trouble"] == "it answered 307"


@pytest.mark.parametrize(("name", "told"), [("crm.example", 1), ("other.example", 0)])
async def test_the_certificate_is_that_of_the_name(
    name: str,
    told: int,
    store: Store,
    sqlite: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    certificate = certified(tmp_path, "crm.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with listening(tls=certificate) as receiver:
        port = receiver.url.rsplit(":", 1)[1]
        names(monkeypatch, "127.0.0.1")
        subscribe(sqlite, f"https://{name}:{port}", "session.opened")
        await everything_happens(store, sqlite)
        await Messenger(sqlite, HERE).once()
    assert len(receiver.posts) == told, deliveries(sqlite)


def certified(folder: Path, name: str) -> Path:
    """A key and the certificate of this name, which it has signed itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(named)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file = folder / "certificate.pem"
    kept = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    file.write_bytes(kept + certificate.public_bytes(pem))
    return file
