"""The product broken on purpose, each in one place: then the verdict must be red.

Each function runs in a Rasa process of its own before Rasa does; see `processes.Forked`.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace

from connectors import store
from connectors.outbox import Outbox
from connectors.part import Part
from connectors.sender import Sender


def accept_takes_everything_for_new() -> None:
    _cut("accept", r"if not redis\.call\('SET', .*'NX', .* end")


def commit_asks_for_no_fence() -> None:
    _cut("commit", r"if given\.fence ~= '' and redis\.call\('HGET', .* then return 0 end")


def nothing_is_found_at_twilio() -> None:
    async def look_up(self: Sender, part: Part) -> None:
        return None

    Sender._look_up = look_up  # type: ignore[method-assign]


def twilio_is_asked_without_a_note() -> None:
    async def mark_asked(self: Outbox, claim: object, part: Part) -> Part:
        return replace(part, asked_ms=int(time.time() * 1000))

    Outbox.mark_asked = mark_asked  # type: ignore[method-assign]


def _cut(script: str, line: str) -> None:
    cut, lines = re.subn(f"^{line}$", "", store._SCRIPTS[script], flags=re.MULTILINE)
    assert lines == 1, f"{script}.lua has changed: {line}"
    store._SCRIPTS[script] = cut
