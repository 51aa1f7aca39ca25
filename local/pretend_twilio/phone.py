"""The customer's phone: the page, and the same as JSON and as an event stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from local.pretend_twilio.config import PretendConfig
from local.pretend_twilio.guard import given_json, number_in
from local.pretend_twilio.inbound import Inbound, read_text
from local.pretend_twilio.store import Store

_STATIC = Path(__file__).parent / "static"
_TEMPLATES = Path(__file__).parent / "templates"
# A comment now and then: how a stream finds out that nobody listens any more.
_HEARTBEAT_S = 15.0


class Phone:
    def __init__(self, config: PretendConfig, store: Store, inbound: Inbound) -> None:
        self.config = config
        self.store = store
        self.inbound = inbound
        self.pages = Jinja2Templates(directory=_TEMPLATES)

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/", self.page),
            Route("/health", self.health),
            Route("/phone/texts", given_json(self.send), methods=["POST"]),
            Route("/phone/messages", self.messages),
            Route("/phone/events", self.events),
            Mount("/static", StaticFiles(directory=_STATIC)),
        ]

    async def page(self, request: Request) -> Response:
        return self.pages.TemplateResponse(request, "phone.html", {"numbers": self.config.numbers})

    async def health(self, request: Request) -> Response:
        return JSONResponse(
            {
                "status": "ok",
                "numbers": self.config.numbers,
                "webhook": self.config.webhook_url,
                "messages": len(self.store),
            }
        )

    async def send(self, given: dict[str, Any]) -> Response:
        message, answer = await self.inbound.take(read_text(given, self.config.numbers))
        return JSONResponse({"sid": message.sid, "answer": answer.as_json()}, status_code=201)

    async def messages(self, request: Request) -> Response:
        found = self.store.of_customer(number_in(request, "customer"))
        return JSONResponse({"messages": [message.as_bubble() for message in found]})

    async def events(self, request: Request) -> Response:
        return StreamingResponse(
            self._events(number_in(request, "customer")),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store"},
        )

    async def _events(self, customer: str) -> AsyncIterator[str]:
        with self.store.watching() as news:
            known = [message.as_bubble() for message in self.store.of_customer(customer)]
            yield "retry: 1000\n" + event("snapshot", {"boot": self.store.boot, "messages": known})
            while True:
                try:
                    message = await asyncio.wait_for(news.get(), _HEARTBEAT_S)
                except asyncio.TimeoutError:
                    yield ": still here\n\n"
                    continue
                if message is None:
                    return
                if not customer or message.customer == customer:
                    yield event("message", message.as_bubble())


def event(name: str, data: dict[str, object]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
