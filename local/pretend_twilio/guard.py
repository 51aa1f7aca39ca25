"""The front door: this machine only, and nothing from anywhere else on the page."""

from __future__ import annotations

import ipaddress
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
