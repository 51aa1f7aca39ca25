"""What is known about a request to Twilio that failed: had it left, or not?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from connectors.errors import SendUnavailable, SendUnknown
from connectors.part import Part
from connectors.settings import Twilio
from connectors.twilio_api import Accepted, TwilioApi
from local.ports import free_port

BUSINESS = "+15550100001"
TAKEN = b'{"sid": "SM1", "status": "queued"}'

Streams = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def part() -> Part:
    """Twilio is about to be asked to send it."""
    fresh = Part.new("c" * 32, "", BUSINESS, "+15550109999", "Yes, we do.")
    return replace(fresh, asked_ms=fresh.created_ms)


async def takes(reader: asyncio.StreamReader) -> bytes:
    """A whole request: its head and its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return head + await reader.readexactly(length)


def answer(body: bytes = TAKEN, length: int = len(TAKEN)) -> bytes:
    return b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%b" % (length, body)


async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def hangs_up_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await takes(reader)


async def says_half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await takes(reader)
    writer.write(answer(TAKEN[:9]))
    await writer.drain()


class Twilios:
    """A Twilio that does what it is told to on every connection, and counts them."""

    def __init__(self, does: Streams) -> None:
        self.does = does
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self.does(reader, writer)
        finally:
            writer.close()


@asynccontextmanager
async def calling(url: str, timeout: float = 10) -> AsyncIterator[TwilioApi]:
    settings = Twilio("AC1", ("token",), None, url, (BUSINESS,), "http://x", pretend=False)
    api = TwilioApi(settings, timeout)
    try:
        yield api
    finally:
        await api.close()


@asynccontextmanager
async def twilio(
    does: Streams, scheme: str = "http", timeout: float = 10
) -> AsyncIterator[tuple[TwilioApi, Twilios]]:
    twilios = Twilios(does)
    server = await asyncio.start_server(twilios, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, calling(f"{scheme}://127.0.0.1:{port}", timeout) as api:
        yield api, twilios


async def test_where_nobody_listens_nothing_has_left() -> None:
    async with calling(f"http://127.0.0.1:{free_port()}") as api:
        with pytest.raises(SendUnavailable):
            await api.send(part())


@pytest.mark.parametrize(("does", "timeout"), [(hangs_up_at_once, 10.0), (says_nothing, 0.2)])
async def test_before_tls_stands_nothing_has_left(does: Streams, timeout: float) -> None:
    async with twilio(does, "https", timeout) as (api, _):
        with pytest.raises(SendUnavailable):
            await api.send(part())


async def test_a_proxy_that_is_away_lets_nothing_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    async with calling("https://api.twilio.example") as api:
        with pytest.raises(SendUnavailable):
            await api.send(part())


@pytest.mark.parametrize(
    ("does", "timeout", "gave_up"),
    [(says_nothing, 0.2, True), (hangs_up, 10.0, False), (says_half, 10.0, False)],
)
async def test_what_has_left_may_have_arrived(does: Streams, timeout: float, gave_up: bool) -> None:
    async with twilio(does, timeout=timeout) as (api, _):
        with pytest.raises(SendUnknown) as failed:
            await api.send(part())
    assert failed.value.gave_up is gave_up


async def test_messages_share_a_connection() -> None:
    async def takes_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            assert b"Body=Yes%2C+we+do." in await takes(reader)
            writer.write(answer())

    async with twilio(takes_all) as (api, twilios):
        sent = [await api.send(part()) for _ in range(3)]
    assert sent == [Accepted("SM1", "queued")] * 3
    assert twilios.connections == 1


async def test_a_connection_that_twilio_has_closed_is_not_used_again() -> None:
    closed = asyncio.Event()

    async def takes_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await takes(reader)
        writer.write(answer())
        writer.close()
        await writer.wait_closed()
        closed.set()

    async with twilio(takes_one) as (api, twilios):
        for _ in range(3):
            closed.clear()
            assert await api.send(part()) == Accepted("SM1", "queued")
            await closed.wait()
            await asyncio.sleep(0)  # the end of the connection comes by this same loop
    assert twilios.connections == 3
