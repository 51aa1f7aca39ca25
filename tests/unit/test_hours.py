"""When is it open? As a customer would ask."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from connectors.hours import Hours, read_hours

SHOP = read_hours(
    {"monday-friday": "9:00-12:30, 13:30-18:00", "saturday": "9-16", "sunday": "closed"},
    [date(2026, 12, 25)],
)


def at(day: int, clock: str, month: int = 11) -> datetime:
    return datetime.fromisoformat(f"2026-{month:02}-{day:02}T{clock}")


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        (at(23, "08:59"), False),
        (at(23, "09:00"), True),
        (at(23, "12:30"), False),
        (at(23, "13:30"), True),
        (at(23, "18:00"), False),
        (at(28, "15:59"), True),  # Saturday
        (at(29, "12:00"), False),  # Sunday
        (at(25, "12:00", month=12), False),  # a Friday, but a holiday
    ],
)
def test_open_or_not(moment: datetime, is_open: bool) -> None:
    assert SHOP.open_at(moment) is is_open


@pytest.mark.parametrize(
    ("moment", "opens"),
    [
        (at(23, "06:00"), at(23, "09:00")),
        (at(23, "12:45"), at(23, "13:30")),
        (at(28, "17:00"), at(30, "09:00")),
        (at(24, "20:00", month=12), at(26, "09:00", month=12)),
    ],
)
def test_when_it_opens_next(moment: datetime, opens: datetime) -> None:
    assert SHOP.next_opening(moment) == opens


def test_hours_in_words() -> None:
    assert str(SHOP) == (
        "Monday to Friday 9:00-12:30 and 13:30-18:00, Saturday 9:00-16:00, Sunday closed"
    )


def test_nobody_told_us_the_hours() -> None:
    assert not Hours().open_at(at(23, "12:00"))
    assert Hours().next_opening(at(23, "12:00")) is None
    assert str(Hours()) == ""


@pytest.mark.parametrize("times", ["9", "9-25", "18-9", "9:60-10", "9-12, 11-13", "", "noon-13"])
def test_what_is_no_time_is_refused(times: str) -> None:
    with pytest.raises(ValueError, match=r"no time|overlap"):
        read_hours({"monday": times})
