"""An answer becomes messages: so many segments at most, the rest for when it is asked for. Pure.

Twilio joins what it sends into one message on the phone up to 1600 characters, so only a longer
text becomes several messages, and only those are numbered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count as counting

from connectors.cuts import ends_a_sentence, first_place, longest_prefix
from connectors.plain_text import plain_text
from connectors.segments import MAX_CHARACTERS, count, utf16_length
from connectors.typography import typeset


@dataclass(frozen=True)
class Style:
    """How an assistant's texts look. `segments` is for one answer, 0 for no limit."""

    segments: int = 3
    emoji: bool = False
    more: str = "Reply MORE for the rest."
    no_more: str = "That was all."


@dataclass(frozen=True)
class LaidOut:
    """Messages as they are sent, and what did not fit, ready to be laid out later."""

    messages: tuple[str, ...]
    rest: str = ""

    @property
    def segments(self) -> int:
        return _cost(self.messages)


def prepared(text: str, style: Style) -> str:
    """What somebody said as a phone shows it: no Markdown, and characters that cost little."""
    return typeset(plain_text(text), emoji=style.emoji)


def lay_out(texts: Sequence[str], style: Style) -> LaidOut:
    """Prepared texts as messages.

    A link or a grapheme that alone is longer than the limit goes beyond it rather than to pieces.
    """
    texts = [text.strip() for text in texts if text.strip()]
    whole = tuple(message for text in texts for message in _numbered(text))
    if not style.segments or _cost(whole) <= style.segments:
        return LaidOut(whole)
    return _within(texts, style)


def _within(texts: Sequence[str], style: Style) -> LaidOut:
    """Of texts that are too long together, as much as there is room for."""
    messages: tuple[str, ...] = ()
    for index, text in enumerate(texts):
        room = style.segments - _cost(messages)
        if index + 1 < len(texts) and _cost(_numbered(text)) < room:
            messages += tuple(_numbered(text))
            continue
        taken = _first(text, room, style)
        later = [text[taken:].strip(), *texts[index + 1 :]]
        messages += tuple(_numbered(_announcing(text[:taken], style)))
        return LaidOut(messages, "\n\n".join(part for part in later if part))
    raise AssertionError("the last text always ends it")


def _first(text: str, room: int, style: Style) -> int:
    def fits(prefix: str) -> bool:
        return _cost(_numbered(_announcing(prefix, style))) <= room

    return longest_prefix(text, fits) or first_place(text)


def _announcing(beginning: str, style: Style) -> str:
    """With the word that the rest can be had."""
    beginning = beginning.rstrip()
    dots = "" if ends_a_sentence(beginning) else "..."
    return f"{beginning}{dots}\n{style.more}" if style.more else f"{beginning}{dots}"


def _numbered(text: str) -> list[str]:
    """The messages that a text needs: "(1/2) ..." when it needs several."""
    if utf16_length(text) <= MAX_CHARACTERS:
        return [text]
    for digits in counting(1):
        room = MAX_CHARACTERS - len("(/) ") - 2 * digits
        pieces = _pieces(text, room)
        if len(str(len(pieces))) <= digits:
            return [f"({n}/{len(pieces)}) {piece}" for n, piece in enumerate(pieces, 1)]
    raise AssertionError("unreachable")


def _pieces(text: str, room: int) -> list[str]:
    pieces = []
    while text:
        taken = longest_prefix(text, lambda prefix: utf16_length(prefix) <= room)
        # Twilio refuses a longer message, so here even a link is torn.
        taken = taken or room // 2
        pieces.append(text[:taken].rstrip())
        text = text[taken:].lstrip()
    return pieces


def _cost(messages: Sequence[str]) -> int:
    return sum(count(message).segments for message in messages)
