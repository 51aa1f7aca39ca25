"""What the session log keeps of a model's prompts: of each, what the one before had not. Pure.

A prompt repeats the instructions and most of what was said. Whole, it would make each turn of a
long session write many times what one at its beginning does. So a prompt is kept as pieces: new
ones as they are, the others as places among the pieces of an earlier prompt. Put together again it
is what was sent, byte for byte, wherever it was cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

# Where one message, tool or setting ends, and lines within them. None of it can stand inside a
# string of JSON, where quotation marks have a backslash before them.
_BEFORE = (',{"role":', ',{"type":', '],"')
_LINE = "\\n"
_CUT = "\x00"  # JSON has it as an escape only

Kept = list[str | list[int]]


def cut(body: str) -> list[str]:
    """A request's body as JSON, in pieces."""
    for mark in _BEFORE:
        body = body.replace(mark, _CUT + mark)
    return body.replace(_LINE, _LINE + _CUT).split(_CUT)


def shortened(pieces: Iterable[str], like: Sequence[str]) -> Kept:
    """New pieces as they are; for others [place of the first in `like`, how many]."""
    places = {piece: place for place, piece in enumerate(like)}
    kept: Kept = []
    following = len(like)
    for piece in pieces:
        if following < len(like) and like[following] == piece:
            kept[-1][1] += 1  # type: ignore[index, operator]
            following += 1
        elif (place := places.get(piece)) is not None:
            kept.append([place, 1])
            following = place + 1
        else:
            kept.append(piece)
            following = len(like)
    return kept


def whole(kept: Iterable[Any], like: Sequence[str]) -> list[str]:
    """The pieces again. Raises ValueError for what `shortened` did not make."""
    pieces: list[str] = []
    for each in kept:
        if isinstance(each, str):
            pieces.append(each)
            continue
        first, count = each
        found = like[first : first + count]
        if len(found) != count:
            raise ValueError("a prompt refers to pieces that are not there")
        pieces += found
    return pieces
