"""Wording: times, sums and states as the pages say them. Pure; times are UTC."""

from __future__ import annotations

from datetime import datetime, timezone

STATES = {
    "live": "live",
    "ended": "ended",
    "waiting": "waiting for a person",
    "held": "with a person",
    "opted_out": "opted out",
    "failed": "delivery failed",
}
# Why something was refused, by the word that connectors/ has for it.
REFUSALS = {
    "opted_out": "opted out",
    "unattached": "nobody answers at this number",
    "own_number": "one of our own numbers",
    "no_person": "a short code or a name",
    "loop": "the same words again and again",
    "too_fast": "too many texts in a minute",
    "too_many": "too many texts in a day",
    "too_old": "found too late",
    "outdated": "late, and decided otherwise since",
    "no_session": "no session is live",
    "session_over": "its session is over",
    "not_opened_by_a_text": "no text opened the session",
    "not_sent": "said where nobody gets it",
    "turn_over": "said after the turn",
    "segments_per_day": "the day's limit",
    "number_not_approved": "the number is not approved",
    "ledger_incomplete": "opt-outs were not known yet",
}
AUTHORS = {"customer": "", "assistant": "Assistant: ", "operator": "Person: ", "system": "Notice: "}
_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£"}


def moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, timezone.utc)


def iso(at_ms: int) -> str:
    """As a page and a file have it: 2026-11-23T16:39:38Z."""
    return moment(at_ms).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(at_ms: int) -> str:
    return moment(at_ms).strftime("%H:%M")


def clock_seconds(at_ms: int) -> str:
    return moment(at_ms).strftime("%H:%M:%S")


def day(at_ms: int) -> str:
    """ "Monday, 23 November 2026" """
    at = moment(at_ms)
    return f"{at:%A}, {at.day} {at:%B %Y}"


def long(at_ms: int) -> str:
    """ "23 Nov 2026, 14:02" """
    at = moment(at_ms)
    return f"{at.day} {at:%b %Y}, {at:%H:%M}"


def short(at_ms: int, now_ms: int) -> str:
    """The time for today, the day for longer ago."""
    at, now = moment(at_ms), moment(now_ms)
    if at.date() == now.date():
        return f"{at:%H:%M}"
    return f"{at.day} {at:%b}" if at.year == now.year else f"{at.day} {at:%b %Y}"


def seconds(ms: int) -> str:
    return f"{ms / 1000:.1f} s" if ms else ""


def money(millionths: int, currency: str) -> str:
    """Small sums to a hundredth of a cent, because a text costs less than one."""
    if not millionths:
        return ""
    sign = _SIGNS.get(currency, f"{currency} ")
    amount = millionths / 1_000_000
    return f"{sign}{amount:,.2f}" if amount >= 1 else f"{sign}{amount:.4f}"


def confidence(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, (int, float)) else ""
