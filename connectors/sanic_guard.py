"""What Sanic 21.12 lets through that it cannot stand, and what it does for nobody."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

from sanic import Sanic
from sanic.exceptions import InvalidUsage
from sanic.log import access_logger
from sanic.request import Request
from sanic_cors.core import SANIC_CORS_EVALUATED  # type: ignore[import-untyped]

_LENGTH = re.compile(rb"(?im)^content-length:[ \t]*(.*?)[ \t]*\r?$")


class GuardedRequest(Request):
    """Raises InvalidUsage at a bad Content-Length, before Sanic has read it."""

    __slots__ = ()

    def __init__(self, **named: Any) -> None:
        if not has_good_length(named.get("head", b"")):
            raise InvalidUsage("Bad Content-Length")
        super().__init__(**named)


def refuse_bad_lengths(app: Sanic) -> None:
    """Answer 400 to every Content-Length that is no number, or stands there twice.

    Sanic reads a negative one, and then waits for the body in a loop that never yields: one
    unsigned packet stops the whole process. No handler of a signal, because a single one makes
    Sanic dispatch all six signals of a request, at every request.
    """
    app.request_class = GuardedRequest


def spare_access_log(app: Sanic) -> None:
    """Make no entries for an access log that nobody keeps: Rasa silences it unless
    LOG_LEVEL_LIBRARIES says otherwise."""
    app.config.ACCESS_LOG = app.config.ACCESS_LOG and access_logger.isEnabledFor(logging.INFO)


def no_browser_asks(request: Request) -> None:
    """Spare a request the search for CORS headers, which Rasa has for every route."""
    setattr(request.ctx, SANIC_CORS_EVALUATED, "1")


async def prepare(app: Sanic, loop: asyncio.AbstractEventLoop) -> None:
    """Both, as a listener before the server starts."""
    refuse_bad_lengths(app)
    spare_access_log(app)


def has_good_length(head: bytes) -> bool:
    """Whether a request's head names one length, or none."""
    lengths = _LENGTH.findall(head)
    return len(lengths) <= 1 and all(re.fullmatch(rb"[0-9]{1,12}", each) for each in lengths)
