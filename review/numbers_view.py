"""Numbers view: the figures of some days as numbers.html is given them. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from review.carrier_words import error_words
from review.figures import Figures
from review.wording import money, seconds

HEAD = (
    *("Sessions", "Texts", "Answers", "p50", "p95", "Delivered", "Undelivered", "Opt-outs"),
    *("Refused", "Fallback", "Est. cost"),
)


@dataclass(frozen=True)
class Plot:
    """`lines` are names and the figures that they show; `unit` is "", " s", "%" or "$"."""

    name: str
    unit: str
    lines: Sequence[tuple[str, str]]


PLOTS = (
    Plot(
        "Messages and sessions",
        "",
        [("texts", "texts"), ("answers", "replies"), ("sessions", "sessions")],
    ),
    Plot("Answer time", " s", [("half within", "p50_ms"), ("95 % within", "p95_ms")]),
    Plot("Delivered, of what the carriers reported", "%", [("delivered", "delivery_rate")]),
    Plot("Estimated cost", "$", [("texts and model", "cost")]),
    Plot(
        "Not as it should be",
        "",
        [
            ("undelivered", "undelivered"),
            ("refused", "refused"),
            ("opt-outs", "opted_out"),
            ("fallback answers", "fallbacks"),
        ],
    ),
)


def tiles(total: Figures, currency: str) -> list[dict[str, str]]:
    values = (
        ("sessions", f"{total['sessions']:,}"),
        ("texts", f"{total['texts']:,}"),
        ("median answer", _seconds(total["p50_ms"])),
        ("95 % answered within", _seconds(total["p95_ms"])),
        ("delivered", _share(total["delivery_rate"])),
        ("answered by fallback", _share(total["fallback_share"])),
        ("opt-outs", f"{total['opted_out']:,}"),
        ("refused sends", f"{total['refused']:,}"),
        ("estimated cost", money(total["cost"], currency) or "none"),
    )
    return [{"name": name, "value": value} for name, value in values]


def row(name: str, figures: Figures, currency: str) -> list[str]:
    """One day or assistant, as the tables have it."""
    return [
        name,
        *(f"{figures[key]:,}" for key in ("sessions", "texts", "replies")),
        _seconds(figures["p50_ms"]),
        _seconds(figures["p95_ms"]),
        _share(figures["delivery_rate"]),
        *(f"{figures[key]:,}" for key in ("undelivered", "opted_out", "refused")),
        _share(figures["fallback_share"]),
        money(figures["cost"], currency),
    ]


def errors(total: Figures) -> list[tuple[str, int]]:
    """What carriers said went wrong, the most frequent first."""
    found: Mapping[str, int] = total["errors"]
    return sorted(((error_words(code), n) for code, n in found.items()), key=lambda e: -e[1])


def as_json(days: Sequence[Figures]) -> str:
    """What numbers.js draws, safe inside a script element."""
    data = {
        "days": [_noon(day["day"]) for day in days],
        "plots": [
            {
                "unit": plot.unit,
                "series": [
                    {"name": name, "values": [_value(day, key) for day in days]}
                    for name, key in plot.lines
                ],
            }
            for plot in PLOTS
        ],
    }
    return json.dumps(data).replace("<", "\\u003c")


def _value(day: Figures, key: str) -> Any:
    value = day[key]
    if value is None:
        return None
    if key.endswith("_ms"):
        return round(value / 1000, 2)
    if key == "delivery_rate":
        return round(value * 100, 1)
    return round(value / 1_000_000, 4) if key == "cost" else value


def _noon(day: str) -> int:
    return int(datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=timezone.utc).timestamp())


def _seconds(ms: int | None) -> str:
    return seconds(ms or 0) or "–"


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"
