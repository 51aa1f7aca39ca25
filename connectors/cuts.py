"""Where a text may be cut: after a sentence, else a word, never in a link or a grapheme. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache
from itertools import accumulate

import regex
from linkify_it import LinkifyIt

_LINKS = LinkifyIt()
# A stop and a small letter are an abbreviation: "9 a.m. to 6 p.m.".
_SENTENCE = regex.compile(r"[.!?…][\"')\]»”’]*(?=\s+(?!\p{Ll}))|[。！？]")


def longest_prefix(text: str, fits: Callable[[str], bool]) -> int:
    """How many characters of `text` to take, cut at the best place; 0 if none may be taken.

    `fits` tells whether a prefix is short enough; whatever it accepts, it must accept shorter.
    A cut in the first half would waste more than it tidies, so that a word's end beats it there.
    """
    places = _places(text)
    low, high = 0, len(places) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(text[: places[middle]].rstrip()) else (low, middle - 1)
    end = places[low]
    return end if end in (0, len(text)) else _tidier(text, end)


def first_place(text: str) -> int:
    """The end of what cannot be torn at the beginning: one grapheme, or one link."""
    return _places(text)[1]


def ends_a_sentence(text: str) -> bool:
    """Whether nothing seems to be missing at the end."""
    return bool(regex.search(r"[.!?…。！？:][\"')\]»”’]*\s*\Z", text))


def _tidier(text: str, end: int) -> int:
    allowed = set(_places(text))
    for ends in (_paragraphs, _sentences, _lines, _words):
        found = [at for at in ends(text, end) if end // 2 <= at <= end and at in allowed]
        if found:
            return found[-1]
    return end


def _paragraphs(text: str, end: int) -> list[int]:
    return [found.start() for found in regex.finditer(r"\n\s*\n", text, endpos=end + 2)]


def _sentences(text: str, end: int) -> list[int]:
    return [found.end() for found in _SENTENCE.finditer(text) if found.end() <= end]


def _lines(text: str, end: int) -> list[int]:
    return [found.start() for found in regex.finditer(r"\n", text, endpos=end + 1)]


def _words(text: str, end: int) -> list[int]:
    return [found.start() for found in regex.finditer(r"\s+", text, endpos=end + 1)]


@lru_cache(maxsize=8)
def _places(text: str) -> list[int]:
    """Every index at which a cut tears no grapheme and no link, with 0 and the end."""
    ends = [0, *accumulate(len(grapheme) for grapheme in regex.findall(r"\X", text))]
    for link in _LINKS.match(text) or ():
        # Addresses of the web and of mail alike, also those without http://.
        ends = ends[: bisect_right(ends, link.index)] + ends[_first_after(ends, link.last_index) :]
    return ends


def _first_after(ends: list[int], index: int) -> int:
    return next(n for n, end in enumerate(ends) if end >= index)
