"""Filters: what a session has to be like to be listed, from and to an address's query. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sql

from review import tables
from review.errors import BadFilter

# What the list can be ordered by, and the column.
SORTS = {
    "last": "last_ms",
    "opened": "n",
    "messages": "texts",
    "cost": "cost",
    "slowest": "slowest_ms",
    "confidence": "least_confidence",
}
STATES = ("live", "ended", "waiting", "held", "opted_out", "failed", "refused", "fallback")
REVIEWS = ("unread", "reviewed", "saved")
BY_FACET = ("number", "assistant", "intent", "action", "policy", "slot", "tool", "model", "error")
_STATE_FACETS = {
    "opted_out": "state:opted_out",
    "failed": "state:undelivered",
    "refused": "state:refused",
    "fallback": "state:fallback",
}
_DAY_MS = 86_400_000
MOST_CONVERSATIONS = 50
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_CURSOR = re.compile(
    r"(older|newer):(-?\d{1,18}(?:\.\d{1,30}(?:e-\d{1,3})?)?):(\d{1,18})", re.ASCII
)
_s = tables.sessions.c


@dataclass(frozen=True)
class Filter:
    """All as the address has it; "" does not filter.

    `since` and `until` are days (UTC), `after` and `before` times of a day (UTC) at which the
    session was opened; `ends` the last digits of the customer's number. `tag` is a tag's id;
    `conversation` one or, for a customer of several of our numbers, more with commas between.
    """

    q: str = ""
    state: str = ""
    review: str = ""
    since: str = ""
    until: str = ""
    after: str = ""
    before: str = ""
    number: str = ""
    assistant: str = ""
    ends: str = ""
    conversation: str = ""
    tag: str = ""
    flagged: str = ""
    intent: str = ""
    action: str = ""
    policy: str = ""
    slot: str = ""
    tool: str = ""
    model: str = ""
    error: str = ""
    least: str = ""
    most: str = ""
    shortest: str = ""
    longest: str = ""
    sort: str = "last"
    order: str = "down"

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Filter:
        """Raises BadFilter, which names what is wrong."""
        given = {
            field.name: query[field.name].strip()
            for field in fields(cls)
            if query.get(field.name, "").strip()
        }
        wanted = cls(**given)
        wanted._check()
        return wanted

    def _check(self) -> None:
        _one_of("sort", self.sort, tuple(SORTS))
        _one_of("order", self.order, ("down", "up"))
        _one_of("state", self.state, ("", *STATES))
        _one_of("review", self.review, ("", *REVIEWS))
        for name in ("since", "until"):
            self._day(name)
        for name in ("after", "before"):
            _minutes(name, getattr(self, name))
        for name in ("least", "most"):
            self._number(name, 0.0, 1.0)
        for name in ("shortest", "longest"):
            self._number(name, 0, 1_000_000)
        if self.tag and not (self.tag.isascii() and self.tag.isdigit()):
            raise BadFilter("tag must be a tag's id")
        if self.ends and not re.fullmatch(r"\d{4}", self.ends):
            raise BadFilter("ends must be the last four digits of the number")

    @property
    def down(self) -> bool:
        return self.order == "down"

    @property
    def facets(self) -> list[str]:
        """Those that are kept as facets, see tables."""
        keys = [f"{name}:{value}" for name in BY_FACET if (value := getattr(self, name))]
        keys += [_STATE_FACETS[self.state]] if self.state in _STATE_FACETS else []
        keys += [f"ends:{self.ends}"] if self.ends else []
        keys += [f"tag:{self.tag}"] if self.tag else []
        keys += ["state:flagged"] if self.flagged else []
        keys += [f"review:{self.review}"] if self.review in ("reviewed", "saved") else []
        return keys

    def conditions(self, live: Any) -> list[Any]:
        """Those that are columns of a session; `live` is the condition for one that is."""
        found: list[Any] = []
        if self.state == "live":
            found.append(live)
        if self.state == "ended":
            found.append(sql.not_(live))
        if self.state in ("waiting", "held"):
            found.append(_s.handover == self.state)
        if self.review == "unread":
            found.append(_s.review == "unread")
        if self.conversation:
            found.append(_s.conversation.in_(self.conversation.split(",")[:MOST_CONVERSATIONS]))
        return found + self._spans()

    def _spans(self) -> list[Any]:
        found: list[Any] = []
        if day := self._day("since"):
            found.append(_s.opened_ms >= _ms(day))
        if day := self._day("until"):
            found.append(_s.opened_ms < _ms(day) + _DAY_MS)
        if self.after or self.before:
            found.append(self._time_of_day())
        if self.least:
            found.append(_s.least_confidence >= float(self.least))
        if self.most:
            found.append(_s.least_confidence <= float(self.most))
        if self.shortest:
            found.append(_s.texts >= int(float(self.shortest)))
        if self.longest:
            found.append(_s.texts <= int(float(self.longest)))
        return found

    def _time_of_day(self) -> Any:
        start = _minutes("after", self.after or "00:00") * 60_000
        end = (_minutes("before", self.before) if self.before else 24 * 60) * 60_000
        at = _s.opened_ms % _DAY_MS
        # "after 22:00, before 06:00" is the night
        return sql.and_(at >= start, at < end) if start < end else sql.or_(at >= start, at < end)

    def start(self, cursor: str) -> tuple[bool, tuple[Any, int] | None]:
        """Whether to read backwards, and the row to go on from."""
        if not cursor:
            return False, None
        found = _CURSOR.fullmatch(cursor)
        if not found:
            raise BadFilter("page is not one that the list gave out")
        value = float(found[2]) if self.sort == "confidence" else int(float(found[2]))
        return found[1] == "newer", (value, int(found[3]))

    def query(self, **changes: str) -> str:
        """As an address has it, the same for the same filter."""
        plain = Filter()
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return urlencode(
            {
                name: value
                for name, value in {**values, **changes}.items()
                if value and value != getattr(plain, name, "")
            }
        )

    def _day(self, name: str) -> datetime | None:
        given = getattr(self, name)
        if not given:
            return None
        try:
            return datetime.strptime(given, "%Y-%m-%d").replace(tzinfo=timezone.utc)
        except ValueError:
            raise BadFilter(f"{name} must be a day like 2026-11-23") from None

    def _number(self, name: str, low: float, high: float) -> None:
        given = getattr(self, name)
        try:
            good = not given or low <= float(given) <= high
        except ValueError:
            good = False
        if not good:
            raise BadFilter(f"{name} must be a number from {low} to {high}")


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise BadFilter(f"{name} must be one of {', '.join(filter(None, known))}")


def _minutes(name: str, value: str) -> int:
    if not value:
        return 0
    found = _TIME.fullmatch(value)
    if not found:
        raise BadFilter(f"{name} must be a time like 09:30")
    return int(found[1]) * 60 + int(found[2])


def _ms(day: datetime) -> int:
    return int(day.timestamp() * 1000)
