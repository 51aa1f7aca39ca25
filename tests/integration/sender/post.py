"""An outbox with its sender, and a Twilio that can be in trouble."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import async_timeout
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from connectors import keys
from connectors.gatekeeper import Gatekeeper
from connectors.ledger import Ledger
from connectors.outbox import Outbox
from connectors.pace import Pace
from connectors.part import Part
from connectors.sender import Lateness, Sender
from connectors.settings import Twilio
from connectors.store import Store
from connectors.twilio_api import TwilioApi
from connectors.wire import StatusReport
from connectors.worker import Worker
from local.ports import free_port
from local.pretend_twilio import PretendConfig, create_app
from local.pretend_twilio.server import PhoneServer
from tests.pretend_business import ACCOUNT, BUSINESS, CUSTOMER, TOKEN, serving

CONVERSATION = "c" * 32


SESSION = "01JD0000000000000000000000"


LISTED_WITHIN = 0.3


GAVE_UP = 4.0


TWILIO_IS_LATE = 2.0


LATE_AFTER = 600.0


SORRY = "Sorry, that took too long."


class Troubled:
    """A pretend Twilio whose next answers to `POST /Messages` can be scripted.

    "429", "500" and "401" are answered instead of taking the message; "500 after", "hang after"
    and "rubbish after" come after it was taken; "when told" waits for the test.
    """

    def __init__(self, app: Starlette) -> None:
        self.app = app
        self.state = app.state
        self.script: deque[str] = deque()
        self.asked = 0
        self.is_asked, self.go_on = threading.Event(), threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        self.asked += 1
        trouble = self.script.popleft() if self.script else ""
        if not trouble:
            await self.app(scope, receive, send)
            return
        if trouble == "when told":
            self.is_asked.set()
            await asyncio.to_thread(self.go_on.wait, 20)
            await self.app(scope, receive, send)
            return
        if trouble.endswith("after"):
            await self.app(scope, receive, _into_the_void)
        if trouble == "hang after":
            await asyncio.sleep(1.5)
        await self._answer(trouble)(scope, receive, send)

    def _answer(self, trouble: str) -> Response:
        if trouble == "rubbish after":
            return Response("{", 201)
        status = int(trouble[:3]) if trouble[0].isdigit() else 201
        if trouble.endswith("of a proxy"):
            return Response("<html>no</html>", status)
        error = {
            "code": {429: 20429, 401: 20003}.get(status, 20500),
            "message": "",
            "status": status,
        }
        return JSONResponse(error, status, headers={"Retry-After": "1"} if status == 429 else {})


async def _into_the_void(_: Message) -> None:
    """The message is taken, and nobody hears of it."""


class Post:
    """An outbox with a sender, and the Twilio that it sends to."""

    def __init__(
        self,
        store: Store,
        twilio: Troubled,
        url: str,
        *,
        segments_per_second: float | None = None,
        apology: str | None = None,
        concurrency: int = 4,
        timeout: float = 0.5,
    ) -> None:
        self.twilio = twilio
        self.twilio_url = url
        self.outbox = Outbox(store)
        self.api = TwilioApi(
            Twilio(ACCOUNT, (TOKEN,), None, url, (BUSINESS,), "http://127.0.0.1:9", pretend=False),
            timeout=timeout,
        )
        sender = Sender(
            self.outbox,
            self.api,
            Gatekeeper(store),
            Ledger(store, list),
            Pace(store, segments_per_second),
            Lateness(LATE_AFTER, lambda _: apology),
            LISTED_WITHIN,
            GAVE_UP,
        )
        self.worker = Worker(self.outbox.lane, sender.handle, concurrency)

    async def stop(self) -> None:
        await self.worker.stop()
        await self.api.close()

    async def leave(self, *parts: Part, session: str = SESSION) -> None:
        """What the commit does: the parts are in the outbox, and their customer is due.

        `session` is the live one; "" is none.
        """
        client, lane = self.outbox.store.client, self.outbox.lane
        await Ledger(self.outbox.store, list).make_whole()
        for part in parts:
            if session:
                name = keys.session(part.conversation)
                await client.hset(name, "id", session)
                await client.hset(name, "business", part.business)
                await client.hset(name, "customer", part.customer)
            await client.rpush(lane.items(part.conversation), part.write())
        # Only now: a worker would take the first one alone.
        await client.zadd(lane.due, {part.conversation: 0 for part in parts})

    async def all_settled(self) -> None:
        async with async_timeout.timeout(20):
            while await self.outbox.store.client.zcard(self.outbox.lane.due):
                await asyncio.sleep(0.01)

    def received(self, customer: str = CUSTOMER) -> list[str]:
        """The bodies that Twilio took, in order; of every customer if it is ""."""
        return [message.body for message in self.twilio.state.store.of_customer(customer)]


@contextmanager
def troubled_twilio(config: PretendConfig) -> Iterator[tuple[Troubled, str]]:
    troubled = Troubled(create_app(config))
    server = PhoneServer(troubled, free_port())  # type: ignore[arg-type]
    with serving(server) as url:
        yield troubled, url


@asynccontextmanager
async def working(post: Post) -> AsyncIterator[Post]:
    post.worker.start()
    try:
        yield post
    finally:
        await post.stop()


async def logged(logs: list[Any], event: str) -> None:
    """The line may come a moment after what it tells of."""
    async with async_timeout.timeout(10):
        while not any(line["event"] == event for line in logs):
            await asyncio.sleep(0.01)


def part(body: str) -> Part:
    return Part.new(CONVERSATION, SESSION, BUSINESS, CUSTOMER, body)


def late(body: str) -> Part:
    fresh = part(body)
    return replace(fresh, created_ms=fresh.created_ms - int(LATE_AFTER * 1000) - 1000)


def part_for(number: int, business: str = BUSINESS) -> Part:
    """For somebody of the crowd."""
    return Part.new(f"{number:032x}", SESSION, business, f"+1555012{number:04}", f"part {number}")


async def until(is_so: Callable[[], object]) -> None:
    async with async_timeout.timeout(10):
        while not is_so():
            await asyncio.sleep(0.01)


async def said_of_all(post: Post, status: str, until: int) -> None:
    """Delivery reports come for everything, until so many messages were taken."""
    async with async_timeout.timeout(10):
        while len(taken := post.twilio.state.store.of_customer(CUSTOMER)) < until:
            for message in taken:
                part_id = parse_qs(urlsplit(message.status_callback).query)["part"][0]
                await post.outbox.report(StatusReport(message.sid, status, "", part_id))
            await asyncio.sleep(0.01)


async def said(post: Post, of: Part, status: str) -> None:
    """A delivery report comes for a part that was sent."""
    client = post.outbox.store.client
    async with async_timeout.timeout(10):
        while True:
            for name in await client.keys(keys.message("*")):
                if await client.hget(name, "part") == of.id:
                    report = StatusReport(name.rpartition(":")[2], status, "", of.id)
                    await post.outbox.report(report)
                    return
            await asyncio.sleep(0.01)
