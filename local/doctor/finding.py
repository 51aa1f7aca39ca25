"""What a check finds: one line for people, one object for programs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from connectors.settings import Settings


@dataclass(frozen=True)
class Finding:
    """What was looked at, whether it is well (None: that cannot be known), what was seen, and what
    to do about it."""

    about: str
    well: bool | None
    seen: str
    do: str = ""

    def __str__(self) -> str:
        mark = {True: "ok  ", False: "BAD ", None: "??  "}[self.well]
        return f"{mark} {self.about}: {self.seen}" + (f"; {self.do}" if self.do else "")


@dataclass(frozen=True)
class Check:
    """`about` is said while `look` takes its time."""

    about: str
    look: Callable[[Settings], Awaitable[list[Finding]]]
