"""Opening hours: read from `monday-friday: 9:00-12:00, 13:00-18:00`, asked at a time. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
LOOK_AHEAD_DAYS = 14

_SPAN = re.compile(r"(\d{1,2})(?::(\d\d))?\s*-\s*(\d{1,2})(?::(\d\d))?")


@dataclass(frozen=True)
class Span:
    """Open from (included) to (not included), in minutes after midnight."""

    start: int
    end: int

    def __str__(self) -> str:
        return f"{_clock(self.start)}-{_clock(self.end)}"


@dataclass(frozen=True)
class Hours:
    """`week` has the spans of each day from Monday on; none at all: the hours are not known."""

    week: tuple[tuple[Span, ...], ...] = ()
    closed_on: tuple[date, ...] = ()

    def on(self, day: date) -> tuple[Span, ...]:
        if not self.week or day in self.closed_on:
            return ()
        return self.week[day.weekday()]

    def open_at(self, here: datetime) -> bool:
        """`here` is the local time of the business."""
        minute = here.hour * 60 + here.minute
        return any(span.start <= minute < span.end for span in self.on(here.date()))

    def next_opening(self, here: datetime) -> datetime | None:
        """When it opens next after `here`, in the same zone; None if not within two weeks."""
        minute = here.hour * 60 + here.minute
        for ahead in range(LOOK_AHEAD_DAYS):
            day = here.date() + timedelta(days=ahead)
            for span in self.on(day):
                if ahead or span.start > minute:
                    at = time(span.start // 60, span.start % 60)
                    return datetime.combine(day, at, tzinfo=here.tzinfo)
        return None

    def __str__(self) -> str:
        """`Monday to Friday 9:00-18:00, Saturday and Sunday closed`; empty when not known."""
        return ", ".join(
            f"{_days(first, last)} {_spans(self.week[first])}" for first, last in self._runs()
        )

    def _runs(self) -> list[tuple[int, int]]:
        """First and last of the days that follow one another and are alike."""
        runs: list[tuple[int, int]] = []
        for day, spans in enumerate(self.week):
            if runs and self.week[runs[-1][0]] == spans:
                runs[-1] = (runs[-1][0], day)
            else:
                runs.append((day, day))
        return runs


def read_hours(given: Mapping[str, str], closed_on: Iterable[date] = ()) -> Hours:
    """Days, or ranges of days, to times. Raises ValueError, which says what is wrong."""
    week: list[tuple[Span, ...]] = [()] * len(DAYS)
    for days, times in given.items():
        for day in read_days(days):
            week[day] = read_spans(times)
    return Hours(tuple(week), tuple(sorted(closed_on)))


def read_days(days: str) -> list[int]:
    """`monday`, or `saturday-sunday`, as numbers from 0."""
    ends = [name.strip().lower() for name in days.split("-")]
    if len(ends) > 2 or any(name not in DAYS for name in ends):
        raise ValueError(f"{days!r} is no day, like monday, and no range, like monday-friday")
    first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
    if last < first:
        raise ValueError(f"{days!r}: the week begins on monday")
    return list(range(first, last + 1))


def read_spans(times: str) -> tuple[Span, ...]:
    """`9:00-18:00`, several of them with commas, or `closed`."""
    if times.strip().lower() == "closed":
        return ()
    spans = tuple(_span(piece) for piece in times.split(","))
    if any(later.start < earlier.end for earlier, later in pairwise(spans)):
        raise ValueError(f"{times!r}: the times overlap, or are not in order")
    return spans


def _span(piece: str) -> Span:
    wrong = ValueError(f"{piece.strip()!r} is no time like 9:00-18:00, and not closed")
    found = _SPAN.fullmatch(piece.strip())
    if not found:
        raise wrong
    from_hour, from_minute, to_hour, to_minute = (int(part or 0) for part in found.groups())
    start, end = from_hour * 60 + from_minute, to_hour * 60 + to_minute
    if from_minute > 59 or to_minute > 59 or not start < end <= 24 * 60:
        raise wrong
    return Span(start, end)


def _days(first: int, last: int) -> str:
    names = [DAYS[first].capitalize(), DAYS[last].capitalize()]
    if first == last:
        return names[0]
    return " and ".join(names) if last == first + 1 else " to ".join(names)


def _spans(spans: tuple[Span, ...]) -> str:
    return " and ".join(map(str, spans)) or "closed"


def _clock(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02}"
