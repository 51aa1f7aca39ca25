"""For tests of the pretend Twilio: real servers on free ports, and a small business to text."""

from __future__ import annotations

import asyncio
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.ports import free_port
from local.pretend_twilio import PretendConfig, create_app
from local.pretend_twilio.server import PhoneServer

ACCOUNT = "AC" + "0" * 31 + "7"
TOKEN, OLD_TOKEN = "the-first-token", "the-second-token"
API_KEY = ("SK" + "1" * 32, "the-key-secret")
BUSINESS, SECOND_BUSINESS = "+15550100001", "+15550100002"
CUSTOMER = "+15550109999"
WAIT_S = 10


@contextmanager
def serving(server: uvicorn.Server) -> Iterator[str]:
    """A real server in a thread of its own, until the end of the block. Yields its address."""
    started = threading.Event()
    startup = server.startup

    async def startup_and_say_so(sockets: list[socket.socket] | None = None) -> None:
        await startup(sockets)
        started.set()

    server.startup = startup_and_say_so  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert started.wait(WAIT_S), "the server did not start"
        yield f"http://127.0.0.1:{server.config.port}"
    finally:
        server.should_exit = True
        thread.join(WAIT_S)
        assert not thread.is_alive(), "the server did not end"


@dataclass(frozen=True)
class Post:
    """One webhook as the business got it."""

    path: str
    url: str
    form: dict[str, str]
    headers: Headers


@dataclass
class Business:
    """Keeps what it is sent, in `texts` and `reports`, and answers texts with `status`."""

    status: int = 204
    on_text: Callable[[Post], None] | None = None
    texts: queue.Queue[Post] = field(default_factory=queue.Queue)
    reports: queue.Queue[Post] = field(default_factory=queue.Queue)
    # Set it to let the business answer; clear it to keep Twilio waiting.
    open: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def __post_init__(self) -> None:
        self.open.set()

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/webhooks/twilio_sms/webhook", self.text, methods=["POST"]),
                Route("/status", self.report, methods=["POST"]),
            ]
        )

    async def text(self, request: Request) -> Response:
        post = await self._post(request)
        self.texts.put(post)
        await self._until_open()
        if self.on_text:
            await asyncio.to_thread(self.on_text, post)
        return Response(status_code=self.status)

    async def report(self, request: Request) -> Response:
        self.reports.put(await self._post(request))
        await self._until_open()
        return Response(status_code=204)

    async def _until_open(self) -> None:
        if not self.open.is_set():
            await asyncio.to_thread(self.open.wait, WAIT_S)

    async def _post(self, request: Request) -> Post:
        raw = (await request.body()).decode()
        form = dict(parse_qsl(raw, keep_blank_values=True, strict_parsing=True))
        query = f"?{request.url.query}" if request.url.query else ""
        return Post(request.url.path, self.url + request.url.path + query, form, request.headers)


@contextmanager
def open_business(business: Business, port: int | None = None) -> Iterator[Business]:
    config = uvicorn.Config(
        business.app(), host="127.0.0.1", port=port or free_port(), log_level="error", ws="none"
    )
    with serving(uvicorn.Server(config)) as url:
        business.url = url
        try:
            yield business
        finally:
            business.open.set()


def pretend_config(public_url: str, **changes: object) -> PretendConfig:
    settings: dict[str, object] = {
        "account_sid": ACCOUNT,
        "auth_tokens": (TOKEN, OLD_TOKEN),
        "api_key": API_KEY,
        "numbers": (BUSINESS, SECOND_BUSINESS),
        "public_url": public_url,
        "queued_ms": 1,
        "sending_ms": 1,
        "sent_ms": 1,
        **changes,
    }
    return PretendConfig(**settings)  # type: ignore[arg-type]


@contextmanager
def open_twilio(config: PretendConfig, port: int | None = None) -> Iterator[str]:
    """A pretend Twilio with an empty memory. Yields its address."""
    with serving(PhoneServer(create_app(config), port or free_port())) as url:
        yield url
