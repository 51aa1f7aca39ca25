"""Access: who is asking, and may they? Every route of the app is made here, with its role.

Nothing is open by default. A person comes with a cookie, a program with a token; what a cookie
changes needs the page's CSRF token as well.
"""

from __future__ import annotations

import functools
import hmac
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

COOKIE = "review"
MAX_BODY_BYTES = 256 * 1024
_NO_WORDS = re.compile("[\x00\ud800-\udfff]")
_READS = frozenset({"GET", "HEAD", "OPTIONS"})

Endpoint = Callable[[Request], Any]


class Role(IntEnum):
    """Each may do what the ones before it may."""

    NOBODY = 0
    VIEWER = 1  # reads, with masked numbers
    REVIEWER = 2  # judges: status, tags, flags, comments, tests
    OPERATOR = 3  # answers customers, sees a number when they ask for it
    ADMINISTRATOR = 4  # people, tokens, webhooks, privacy, audit

    @property
    def word(self) -> str:
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> Role:
        """Raises ValueError."""
        try:
            return cls[word.upper()]
        except KeyError:
            raise ValueError(f"{word!r} is no role") from None


@dataclass(frozen=True)
class Person:
    """Who asks. `csrf` is "" for a program with a token."""

    name: str
    role: Role
    csrf: str = ""


NOBODY = Person("", Role.NOBODY)


def route(path: str, endpoint: Endpoint, role: Role, *methods: str) -> Route:
    """A route for a role and those above it. The endpoint finds `request.state.person`, and what
    was posted as `request.state.form` or, if it was JSON, `request.state.json`."""

    @functools.wraps(endpoint)
    async def guarded(request: Request) -> Response:
        person = await run_in_threadpool(request.app.state.signins.who, request)
        request.state.person = person
        if person.role < role:
            return _turned_away(request, person, role)
        _check_words(request.url.path, request.path_params, request.query_params.multi_items())
        if request.method not in _READS:
            await _read_body(request)
            _check_words(request.state.json, _fields(request.state.form))
            _check_origin(request)
            if person.csrf:
                _check_csrf(request, person)
        return await _answer(endpoint, request)

    made = Route(path, guarded, methods=list(methods or ["GET"]))
    made.role = role  # type: ignore[attr-defined]
    return made


async def _answer(endpoint: Endpoint, request: Request) -> Response:
    """Plain functions ask SQL and so run in a thread; coroutines ask Redis."""
    if inspect.iscoroutinefunction(endpoint):
        answer: Response = await endpoint(request)
        return answer
    plain: Callable[[Request], Response] = endpoint
    return await run_in_threadpool(plain, request)


def _turned_away(request: Request, person: Person, role: Role) -> Response:
    if person.role > Role.NOBODY:
        raise HTTPException(403, f"This is for the role {role.word} and those above it.")
    if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/sign-in?{urlencode({'next': back})}", 303)
    raise HTTPException(401, "Sign in, or send a token.", {"WWW-Authenticate": "Bearer"})


async def _read_body(request: Request) -> None:
    request.state.form, request.state.json = {}, None
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY_BYTES:
            raise HTTPException(413, f"More than {MAX_BODY_BYTES // 1024} KiB.")
    request._body = bytes(raw)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        try:
            request.state.json = await request.json()
        except (ValueError, RecursionError):
            raise HTTPException(400, "The body is not JSON.") from None
    elif kind == "application/x-www-form-urlencoded":
        request.state.form = await request.form(max_fields=2_000)


def _fields(form: Any) -> list[tuple[str, Any]]:
    return list(form.multi_items()) if form else []


def _check_words(*given: Any) -> None:
    """No NUL and no half of a surrogate pair: databases do not take them, and nobody types them."""
    left = list(given)
    while left:
        value = left.pop()
        if isinstance(value, Mapping):
            left += [*value.keys(), *value.values()]
        elif isinstance(value, (list, tuple)):
            left += value
        elif isinstance(value, str) and _NO_WORDS.search(value):
            raise HTTPException(400, "A character in this cannot be kept.")


def _check_origin(request: Request) -> None:
    """Another site's page must not post here, signing in included."""
    origin = request.headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host", "")
    if foreign or request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        raise HTTPException(403, "This came from another site's page.")


def _check_csrf(request: Request, person: Person) -> None:
    given = request.headers.get("x-csrf-token") or request.state.form.get("csrf", "")
    if not hmac.compare_digest(str(given).encode(), person.csrf.encode()):
        raise HTTPException(403, "This page is from an earlier sign-in: load it again.")
