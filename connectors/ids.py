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
