"""When is it open?"""

from __future__ import annotations

from datetime import date
from typing import Any

from actions.tool import Turn, tool


@tool(needs=("hours",))
def opening_hours(turn: Turn, day: date | None = None) -> dict[str, Any]:
    """Tells when the business is open: now, next, and on a day.

    Args:
        day: the day that is asked for, as YYYY-MM-DD; today if left out
    """
    hours, now = turn.assistant.hours, turn.now
    asked = day or now.date()
    opens = hours.next_opening(now)
    return {
        "now": f"{now:%A %Y-%m-%d %H:%M}",
        "open_now": hours.open_at(now),
        "opens_next": f"{opens:%A %Y-%m-%d %H:%M}" if opens else None,
        f"{asked:%A %Y-%m-%d}": " and ".join(map(str, hours.on(asked))) or "closed",
        "usual_week": str(hours),
    }
