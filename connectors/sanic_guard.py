"""What Sanic 21.12 lets through that it cannot stand."""

from __future__ import annotations

import re
from typing import Any

from sanic import Blueprint, Sanic
from sanic.exceptions import InvalidUsage

_LENGTH = re.compile(rb"(?im)^content-length:[ \t]*(.*?)[ \t]*\r?$")


def refuse_bad_lengths(app: Sanic | Blueprint) -> None:
    """Answer 400 to every Content-Length that is no number, or stands there twice.

    Sanic reads a negative one, and then waits for the body in a loop that never yields: one
    unsigned packet stops the whole process.
    """

    @app.signal("http.lifecycle.read_head")  # type: ignore[untyped-decorator]
    async def check(head: bytes, **_: Any) -> None:
        if not has_good_length(head):
            raise InvalidUsage("Bad Content-Length")


def has_good_length(head: bytes) -> bool:
    """Whether a request's head names one length, or none."""
    lengths = _LENGTH.findall(head)
    return len(lengths) <= 1 and all(re.fullmatch(rb"[0-9]{1,12}", each) for each in lengths)
