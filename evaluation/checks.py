"""Is an answer what a case expects? Pure, but for the judge, who is asked elsewhere."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import py3langid

from evaluation.cases import LANGUAGES, Expect


@dataclass(frozen=True)
class Answer:
    """What the customer got, and what it took."""

    text: str
    segments: int
    outcome: str  # "answered", "fallback_model", "apology", ...
    ms: int
    prompt_tokens: int = 0
    completion_tokens: int = 0
    model: str = ""
    tools: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


def failures(expect: Expect, answer: Answer) -> Iterator[str]:
    """A line for each expectation that does not hold."""
    if answer.outcome == "apology":
        yield "it got only the apology"
    yield from _about_words(expect, answer.text)
    yield from _about_form(expect, answer)
    yield from _lacking("tool", expect.tool, answer.tools)
    yield from _lacking("file", expect.file, answer.files)
    yield from (f"not_tool: {name} was called" for name in expect.not_tool if name in answer.tools)


def _about_words(expect: Expect, said: str) -> Iterator[str]:
    text = _plain(said)
    yield from (f"contains: {w!r} is missing" for w in expect.contains if _plain(w) not in text)
    yield from (f"not_contains: {w!r} is there" for w in expect.not_contains if _plain(w) in text)
    if expect.any_of and not any(_plain(wanted) in text for wanted in expect.any_of):
        yield f"any_of: none of {', '.join(map(repr, expect.any_of))}"
    yield from (f"matches: {p!r} does not" for p in expect.matches if not re.search(p, said))


def _about_form(expect: Expect, answer: Answer) -> Iterator[str]:
    if expect.segments and answer.segments > expect.segments:
        yield f"segments: {answer.segments} instead of {expect.segments}"
    if expect.language and (found := language(answer.text)) != expect.language:
        yield f"language: {found} instead of {expect.language}"


def _lacking(what: str, wanted: Iterable[str], found: Sequence[str]) -> Iterator[str]:
    for name in wanted:
        if name not in found:
            yield f"{what}: not {name}, but {', '.join(found) or 'none'}"


def language(text: str) -> str:
    """As ISO 639-1. Sure of a sentence, a guess for a word."""
    _choose_languages()
    return str(py3langid.classify(text)[0])


@functools.cache
def _choose_languages() -> None:
    py3langid.set_languages(LANGUAGES)


def _plain(text: str) -> str:
    """Without case, and with one kind of apostrophe and blank."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return " ".join(text.split())
