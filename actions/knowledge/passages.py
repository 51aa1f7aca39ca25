"""Blocks of a file, joined and cut to passages of a size that a model can use. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from actions.knowledge.documents import Block

# In characters: large enough to be understood alone, small enough that three fit any model.
LONGEST = 900
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")


@dataclass(frozen=True)
class Passage:
    """`file` is the name below the knowledge folder; `heading` says where in the file."""

    file: str
    heading: str
    text: str


def passages_of(file: str, blocks: Iterable[Block]) -> list[Passage]:
    """What stands below one heading stays together as far as it fits."""
    return [
        Passage(file, " > ".join(headings), text)
        for headings, below in groupby(blocks, key=lambda block: block.headings)
        for text in _joined(piece for block in below for piece in _cut(block.text))
    ]


def _joined(pieces: Iterable[str]) -> Iterator[str]:
    whole = ""
    for piece in pieces:
        if whole and len(whole) + len(piece) > LONGEST:
            yield whole
            whole = ""
        whole = f"{whole}\n\n{piece}" if whole else piece
    if whole:
        yield whole


def _cut(text: str) -> Iterator[str]:
    """A block that is too long, at its sentences or lines; at words, if there are none."""
    if len(text) <= LONGEST:
        yield text
        return
    whole = ""
    for sentence in _SENTENCE.split(text):
        for piece in _by_words(sentence):
            if whole and len(whole) + len(piece) > LONGEST:
                yield whole
                whole = ""
            whole = f"{whole} {piece}" if whole else piece
    yield whole


def _by_words(sentence: str) -> Iterator[str]:
    while len(sentence) > LONGEST:
        at = sentence.rfind(" ", 1, LONGEST)
        at = at if at > 0 else LONGEST
        yield sentence[:at]
        sentence = sentence[at:].strip()
    yield sentence
