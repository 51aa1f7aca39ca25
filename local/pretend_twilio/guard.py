"""The front door: this machine only, and nothing from anywhere else on the page."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.pretend_twilio.errors import Unusable

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


_HOST = re.compile(r"(?:\[(?P<address>[^\]]+)\]|(?P<name>[^:\[\]]+))(?::\d+)?")


class Loopback:
    """Serves requests that name a loopback host, and adds the headers that every answer has.

    The port is bound to loopback, but a stranger's page can make a browser on this machine call
    it by a name that points here (DNS rebinding); such a request names the stranger's host.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        app = self.app if is_loopback(Headers(scope=scope).get("host", "")) else _REFUSED
        await app(scope, receive, send_with_headers)


_REFUSED = PlainTextResponse("This server answers to 127.0.0.1 and localhost only.\n", 403)


def is_loopback(host: str) -> bool:
    """Does this Host header name the machine itself? The port does not matter."""
    found = _HOST.fullmatch(host)
    if not found:
        return False
    name = found["name"] or found["address"]
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def given_json(
    endpoint: Callable[[dict[str, Any]], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint for scripts: it gets the posted JSON object, and nobody else gets in.

    A form on a stranger's page cannot send this type without asking first.
    """

    async def guarded(request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return JSONResponse({"error": "send it as application/json"}, status_code=415)
        try:
            given = json.loads(await request.body())
        except ValueError:
            raise Unusable("this is not JSON") from None
        if not isinstance(given, dict):
            raise Unusable("send a JSON object")
        return await endpoint(given)

    return guarded


def number_in(request: Request, name: str) -> str:
    """The number in the query, also when its + was not encoded and arrives as a blank."""
    given = request.query_params.get(name, "")
    return "+" + given[1:] if given.startswith(" ") else given


def only(given: dict[str, Any], *known: str) -> None:
    """A word that nobody knows is a mistake, not a wish to be passed over."""
    if unknown := sorted(set(given) - set(known)):
        raise Unusable(f"{unknown[0]!r} is none of: {', '.join(known)}")
