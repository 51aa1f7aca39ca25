"""What a model said, made fit for a customer. Pure."""

from __future__ import annotations

import re

from connectors.typography import readable

_THOUGHTS = re.compile(r"<think>.*?(</think>|\Z)", re.DOTALL | re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])\s+|\n+")


def for_customer(text: str, *, whole: bool, longest: int) -> str:
    """The reply to send; empty if nothing is left of it.

    `whole` is false if the model was cut off at its token limit. `longest` is in characters.
    """
    sentences = _sentences(readable(_THOUGHTS.sub("", text)))
    if not whole and len(sentences) > 1:
        sentences.pop()  # it was cut off in the middle
    reply = "".join(_until_repeated(sentences)).strip()
    return reply if len(reply) <= longest else _shortened(reply, longest)


def _sentences(text: str) -> list[str]:
    """The text in pieces, each with the space after it."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    return [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True) if a < b]


def _until_repeated(sentences: list[str]) -> list[str]:
    """Small models say the last sentence again and again."""
    seen: set[str] = set()
    for index, sentence in enumerate(sentences):
        if sentence.strip() in seen:
            return sentences[:index]
        seen.add(sentence.strip())
    return sentences


def _shortened(reply: str, longest: int) -> str:
    """As many whole sentences as fit, else as many words."""
    short = ""
    for sentence in _sentences(reply):
        if len(short + sentence.rstrip()) > longest:
            break
        short += sentence
    if short:
        return short.strip()
    return reply[: longest - 1].rsplit(" ", 1)[0].rstrip() + "…"
