"""Identifiers: opaque for conversations, sortable for sessions and parts; numbers masked. Pure."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def conversation_id(key: str, business: str, customer: str) -> str:
    """The name of the conversation between two numbers: 32 hex digits that tell neither.

    Keyed, because all ten billion North American numbers could be tried otherwise.
    """
    return _keyed(key, f"{business}\n{customer}")


def number_id(key: str, number: str) -> str:
    """The name of one number: 32 hex digits that do not tell it."""
    return _keyed(key, number)


def _keyed(key: str, told: str) -> str:
    return hmac.new(key.encode(), told.encode(), hashlib.sha256).hexdigest()[:32]


def sortable_id(now: float | None = None) -> str:
    """A ULID: 48 bits of milliseconds, 80 random bits, Crockford's base 32, 26 characters."""
    milliseconds = int((time.time() if now is None else now) * 1000)
    value = (milliseconds << 80) | secrets.randbits(80)
    return "".join([_CROCKFORD[(value >> shift) & 31] for shift in range(125, -1, -5)])


def mask(number: str) -> str:
    """A number as logs may show it: "+1***4567"."""
    return f"{number[:2]}***{number[-4:]}" if len(number) > 8 else "***"


# Redis counts the entries of one millisecond from 0; a million is out of reach.
_COUNTER_BITS = 20


def entry_number(entry_id: str) -> int:
    """The id of a stream's entry, "1700000000000-3", as one number that sorts as the stream does.

    Raises ValueError if it is out of range.
    """
    milliseconds, _, counter = entry_id.partition("-")
    number = int(milliseconds) << _COUNTER_BITS | int(counter or 0)
    if int(counter or 0) >> _COUNTER_BITS or number >= 1 << 63:
        raise ValueError(f"the id {entry_id} is out of range")
    return number


# 64 origins of 16,384 entries in a millisecond share the counter; more of either wraps round.
_ORIGIN_SHIFT = 14


def of_origin(number: int, origin: int) -> int:
    """The number of an entry among those of several Redis, see review.origins.

    One to one within an origin, in the same millisecond, and the number itself for origin 0.
    """
    counters = 1 << _COUNTER_BITS
    counter = (number + (origin << _ORIGIN_SHIFT)) % counters
    return number - number % counters + counter


def origin_of(number: int) -> int:
    """Whose a number is that `of_origin` gave."""
    return number % (1 << _COUNTER_BITS) >> _ORIGIN_SHIFT


def next_origin(number: int) -> int:
    """The same place in the next one's share of the millisecond."""
    return of_origin(number, 1)


def entry_at_ms(number: int) -> int:
    return number >> _COUNTER_BITS


def first_entry_number(at_ms: int) -> int:
    """The number of the first entry that a millisecond can have."""
    return at_ms << _COUNTER_BITS
