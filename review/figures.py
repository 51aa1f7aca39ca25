"""Figures: counts of each day, for the numbers page.

Answer times are counted in buckets that grow by a tenth, so the median and the 95th percentile of
any span of days come from a few dozen counts, and are off by five percent at most.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta, timezone
from typing import Any

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from review import tables

_GROWTH = math.log(1.1)
_PREFIX = "took:"
_ERROR = "error:"
# What a day has, in the order in which it is shown; money in millionths.
COUNTS = (
    *("sessions", "texts", "replies", "turns", "sent", "delivered", "undelivered", "refused"),
    *("opted_out", "fallbacks", "segments", "tokens", "cost"),
)
MOST_DAYS = 400

Figures = dict[str, Any]


def bucket(milliseconds: int) -> str:
    """The name of the count that an answer of so many milliseconds belongs to."""
    return f"{_PREFIX}{round(math.log(max(milliseconds, 1)) / _GROWTH)}"


def percentile(counts: Mapping[str, int], share: float) -> int | None:
    """The time in milliseconds within which this share of the answers came; None without any."""
    took = sorted(
        (int(name.removeprefix(_PREFIX)), count)
        for name, count in counts.items()
        if name.startswith(_PREFIX)
    )
    wanted = share * sum(count for _, count in took)
    for size, count in took:
        wanted -= count
        if wanted <= 0:
            return round(math.exp(size * _GROWTH))
    return None


def figures(
    connection: Connection, since: date, until: date, *, assistant: str = "", number: str = ""
) -> Figures:
    """`days`, each with its figures, `total` of them all, and `assistants` with theirs.

    Days without anything are there, too, with zeros. Both ends belong to it.
    """
    table = tables.figures.c
    query = sql.select(tables.figures).where(
        table.day >= since.isoformat(), table.day <= until.isoformat()
    )
    if assistant:
        query = query.where(table.assistant == assistant)
    if number:
        query = query.where(table.business == number)
    by_day: dict[str, Counter[str]] = {day: Counter() for day in _days(since, until)}
    by_assistant: dict[str, Counter[str]] = {}
    for row in connection.execute(query).mappings():
        by_day[row["day"]][row["name"]] += row["value"]
        by_assistant.setdefault(row["assistant"], Counter())[row["name"]] += row["value"]
    total: Counter[str] = sum(by_day.values(), Counter())
    return {
        "days": [{"day": day, **told(counts)} for day, counts in by_day.items()],
        "total": told(total),
        "assistants": [
            {"assistant": name, **told(counts)} for name, counts in sorted(by_assistant.items())
        ],
    }


def told(counts: Mapping[str, int]) -> Figures:
    """Counts with what follows from them. Shares are from 0 to 1, None where nothing was."""
    reported = counts.get("delivered", 0) + counts.get("undelivered", 0)
    return {
        **{name: counts.get(name, 0) for name in COUNTS},
        "p50_ms": percentile(counts, 0.5),
        "p95_ms": percentile(counts, 0.95),
        "delivery_rate": _share(counts.get("delivered", 0), reported),
        "fallback_share": _share(counts.get("fallbacks", 0), counts.get("turns", 0)),
        "errors": {
            name.removeprefix(_ERROR): count
            for name, count in sorted(counts.items())
            if name.startswith(_ERROR)
        },
    }


def today() -> date:
    return datetime.now(timezone.utc).date()


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _days(since: date, until: date) -> Iterable[str]:
    for offset in range((until - since).days + 1):
        yield (since + timedelta(days=offset)).isoformat()
