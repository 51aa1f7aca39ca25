"""The customer's phone: the page, and the same as JSON and as an event stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from connectors.segments import MAX_CHARACTERS
from local.pretend_twilio.config import PretendConfig
from local.pretend_twilio.drafts import SENDER, is_web_address, utf16_units
from local.pretend_twilio.lifecycle import Lifecycle
from local.pretend_twilio.optouts import OptOuts
from local.pretend_twilio.store import Answer, Media, Message, Store, new_sid
from local.pretend_twilio.webhooks import Courier, inbound_form

_STATIC = Path(__file__).parent / "static"
_TEMPLATES = Path(__file__).parent / "templates"
# A comment now and then: how a stream finds out that nobody listens any more.
_HEARTBEAT_S = 15.0


@dataclass(frozen=True)
class Text:
    """What the customer sends."""

    sender: str
    to: str
    body: str
    media: tuple[Media, ...]


class BadText(ValueError):
    """A text that no phone could send. The message says why."""


class Phone:
    def __init__(
        self,
        config: PretendConfig,
        store: Store,
        optouts: OptOuts,
        courier: Courier,
        lifecycle: Lifecycle,
    ) -> None:
        self.config = config
        self.store = store
        self.optouts = optouts
        self.courier = courier
        self.lifecycle = lifecycle
        self.pages = Jinja2Templates(directory=_TEMPLATES)

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/", self.page),
            Route("/health", self.health),
            Route("/phone/texts", self.send, methods=["POST"]),
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

    async def send(self, request: Request) -> Response:
        # A form on a stranger's page cannot send this type without asking first.
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return _wrong("send it as application/json", 415)
        try:
            text = read_text(await request.body(), self.config.numbers)
        except BadText as problem:
            return _wrong(str(problem), 400)
        message, answer = await self.text(text)
        return JSONResponse({"sid": message.sid, "answer": answer.as_json()}, status_code=201)

    async def text(self, text: Text) -> tuple[Message, Answer]:
        """One text on its way: kept, the keyword obeyed, the webhook posted, its answer kept."""
        message = self.store.keep(self._inbound(text))
        own_words = self.optouts.hear(text.sender, text.to, text.body)
        if own_words:
            self.lifecycle.begin(self.store.keep(self._reply(message, own_words)))
        form = inbound_form(message, self.config.account_sid)
        # Goes on when the caller hangs up meanwhile: a text that was sent cannot be taken back.
        answer = await self.courier.deliver(self.config.webhook_url, form)
        self.store.change(message, answer=answer)
        return message, answer

    async def messages(self, request: Request) -> Response:
        found = self.store.of_customer(customer_of(request))
        return JSONResponse({"messages": [message.as_bubble() for message in found]})

    async def events(self, request: Request) -> Response:
        return StreamingResponse(
            self._events(customer_of(request)),
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

    def _inbound(self, text: Text) -> Message:
        now = self.config.clock()
        return Message(
            sid=new_sid(text.media),
            sender=text.sender,
            to=text.to,
            body=text.body,
            direction="inbound",
            status="received",
            created=now,
            updated=now,
            sent=now,
            media=text.media,
        )

    def _reply(self, to: Message, words: str) -> Message:
        now = self.config.clock()
        return Message(
            sid=new_sid(()),
            sender=to.to,
            to=to.sender,
            body=words,
            direction="outbound-reply",
            status="queued",
            created=now,
            updated=now,
        )


def read_text(raw: bytes, numbers: tuple[str, ...]) -> Text:
    """The posted JSON. Raises BadText."""
    try:
        given = json.loads(raw)
    except ValueError:
        raise BadText("this is not JSON") from None
    if not isinstance(given, dict):
        raise BadText('send an object: {"from": ..., "to": ..., "body": ...}')
    text = Text(
        sender=_string(given, "from"),
        to=_string(given, "to"),
        body=_string(given, "body"),
        media=_media(given.get("media") or []),
    )
    if problem := problem_with(text, numbers):
        raise BadText(problem)
    return text


def problem_with(text: Text, numbers: tuple[str, ...]) -> str | None:
    if not SENDER.fullmatch(text.sender) or text.sender in numbers:
        return "from must be a customer's number like +15550109999"
    if text.to not in numbers:
        return f"to must be one of the business numbers: {', '.join(numbers)}"
    if not text.body and not text.media:
        return "there is neither a body nor media"
    if utf16_units(text.body) > MAX_CHARACTERS:
        return f"body has more than {MAX_CHARACTERS} characters"
    if any("\ud800" <= character <= "\udfff" for character in text.body):
        return "body has half of a surrogate pair"
    return None


def _string(given: dict[str, Any], name: str) -> str:
    value = given.get(name) or ""
    if not isinstance(value, str):
        raise BadText(f"{name} must be a text")
    return value


def _media(given: Any) -> tuple[Media, ...]:
    if not isinstance(given, list) or len(given) > 10:
        raise BadText("media must be a list of at most 10")
    return tuple(_medium(each) for each in given)


def _medium(given: Any) -> Media:
    if not isinstance(given, dict):
        raise BadText('media are objects: {"content_type": ..., "url": ...}')
    url, content_type = _string(given, "url"), _string(given, "content_type")
    if not is_web_address(url) or "/" not in content_type:
        raise BadText("media need a content_type like image/png and an http address")
    return Media(url, content_type)


def customer_of(request: Request) -> str:
    """The number in the query, also when its + was not encoded and arrives as a blank."""
    given = request.query_params.get("customer", "")
    return "+" + given[1:] if given.startswith(" ") else given


def event(name: str, data: dict[str, object]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def _wrong(problem: str, status: int) -> Response:
    return JSONResponse({"error": problem}, status_code=status)
