"""How many SMS segments a text takes. Pure.

GSM 03.38: 160 septets alone, 153 with a concatenation header; characters of the extension table
take two. Anything outside makes the whole message UCS-2: 70 or 67 UTF-16 units.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import NamedTuple

MAX_CHARACTERS = 1600  # Twilio refuses more with error 21617

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")
_GSM7 = _BASIC | _EXTENSION


class Segments(NamedTuple):
    """`encoding` is "GSM-7" or "UCS-2"; `units` are septets or UTF-16 units."""

    encoding: str
    units: int
    segments: int


def is_gsm7(text: str) -> bool:
    return set(text) <= _GSM7


def count(text: str) -> Segments:
    """What Twilio will bill for this text."""
    used = set(text)
    if used <= _GSM7:
        return _count(text, "GSM-7", used & _EXTENSION, alone=160, linked=153)
    return _count(text, "UCS-2", _pairs(used), alone=70, linked=67)


def _pairs(characters: Iterable[str]) -> set[str]:
    """Those that take two UTF-16 units."""
    return {character for character in characters if ord(character) > 0xFFFF}


def _count(text: str, encoding: str, double: set[str], *, alone: int, linked: int) -> Segments:
    """`double` are the characters in it that take two units."""
    units = _units(text, double)
    if units <= alone:
        return Segments(encoding, units, 1)
    if not double:
        return Segments(encoding, units, ceil(units / linked))
    segments, used = 1, 0
    for character in text:
        # A pair is never torn apart: what does not fit whole begins the next segment.
        size = 2 if character in double else 1
        if used + size > linked:
            segments, used = segments + 1, 0
        used += size
    return Segments(encoding, units, segments)


def _units(text: str, double: set[str]) -> int:
    return len(text) + sum(map(text.count, double))


def utf16_length(text: str) -> int:
    """How Twilio counts the characters of a message, of which it takes MAX_CHARACTERS."""
    return len(text) if text.isascii() else _units(text, _pairs(set(text)))
