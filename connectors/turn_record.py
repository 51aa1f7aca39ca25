"""What the session log (see there) is told of a turn, whoever speaks in it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from connectors.part import Part
from connectors.segments import count


def turn_record(
    parts: Iterable[Part],
    *,
    texts: Sequence[str] = (),
    events: Sequence[dict[str, Any]] = (),
    assistant: str = "",
    tries: int = 1,
    seconds: float = 0,
    failed: str = "",
) -> dict[str, Any]:
    """The `data` of a record of kind `turn`."""
    return {
        "texts": list(texts),
        "events": list(events),
        "parts": [{"id": p.id, "body": p.body, **count(p.body)._asdict()} for p in parts],
        "assistant": assistant,
        "tries": tries,
        "seconds": seconds,
        "failed": failed,
    }
