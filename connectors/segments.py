"""How many SMS segments a text takes. Pure.

GSM 03.38: 160 septets alone, 153 with a concatenation header; characters of the extension table
take two. Anything outside makes the whole message UCS-2: 70 or 67 UTF-16 units.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

MAX_CHARACTERS = 1600  # Twilio refuses more with error 21617

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")


class Segments(NamedTuple):
    """`encoding` is "GSM-7" or "UCS-2"; `units` are septets or UTF-16 units."""

    encoding: str
    units: int
    segments: int


@lru_cache(maxsize=256)
def count(text: str) -> Segments:
    """What Twilio will bill for this text. Every reply is counted four times on its way out, and
    the fixed texts at every text that comes in."""
    if all(c in _BASIC or c in _EXTENSION for c in text):
        return _count(text, "GSM-7", _septets, alone=160, linked=153)
    return _count(text, "UCS-2", _utf16_units, alone=70, linked=67)


def _septets(character: str) -> int:
    return 2 if character in _EXTENSION else 1


def _utf16_units(character: str) -> int:
    return 2 if ord(character) > 0xFFFF else 1


def _count(
    text: str, encoding: str, size: Callable[[str], int], *, alone: int, linked: int
) -> Segments:
    sizes = [size(c) for c in text]
    units = sum(sizes)
    if units <= alone:
        return Segments(encoding, units, 1)
    segments, used = 1, 0
    for each in sizes:
        # A pair is never torn apart: what does not fit whole begins the next segment.
        if used + each > linked:
            segments, used = segments + 1, 0
        used += each
    return Segments(encoding, units, segments)


def utf16_length(text: str) -> int:
    """How Twilio counts the characters of a message, of which it takes MAX_CHARACTERS."""
    return sum(map(_utf16_units, text))
