"""Paper: templates with what every page needs, and the headers that keep a page to itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from review.access import NOBODY, Role

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src"
        " 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
# Name, path, and from which role on it is in the menu.
MENU = (
    ("Sessions", "/", Role.VIEWER),
    ("Desk", "/desk", Role.OPERATOR),
    ("Numbers", "/numbers", Role.VIEWER),
    ("Tags", "/tags", Role.VIEWER),
    ("Dead letters", "/dead-letters", Role.OPERATOR),
    ("Refused", "/refused", Role.OPERATOR),
    ("People", "/people", Role.ADMINISTRATOR),
    ("Settings", "/settings", Role.ADMINISTRATOR),
    ("Audit", "/audit", Role.ADMINISTRATOR),
)

templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(request: Request, template: str, status: int = 200, **given: Any) -> Response:
    """A page, or a part of one."""
    person = getattr(request.state, "person", NOBODY)
    path = request.url.path
    counts = {"/desk": getattr(request.app.state, "at_the_desk", 0)}
    always = {
        "user": {"name": person.name, "role": person.role.word} if person.name else None,
        "csrf": person.csrf,
        "menu": [
            {"name": name, "path": to, "here": path == to, "count": counts.get(to, 0)}
            for name, to, role in MENU
            if person.role >= role
        ],
        "title": "",
        "problem": "",
        "name": "",
        "note": None,
    }
    return HTMLResponse(templates.get_template(template).render({**always, **given}), status)


def is_fragment(request: Request) -> bool:
    """A page that is open asks for a part of itself."""
    return request.headers.get("x-fragment") == "1"


class OwnHeaders:
    """Puts the headers on every answer that has not said otherwise."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)
