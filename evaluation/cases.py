"""Conversation cases: YAML files, read and checked. A mistake is named with file and line.

assistant: default              # whose cases these are: a file in assistants/
tags: [hours]                   # of every case below
cases:
  - name: closed on Sunday      # told apart by it, also from one run to the next
    tags: [facts]
    note: why it is here        # for people only
    turns:
      - customer: Are you open on Sunday?
        expect:                 # of the answer; what is left out may be anything
          contains: closed      # or a list: all of them; case does not count
          any_of: [no, closed]  # one of them
          not_contains: $60     # or a list: none of them
          matches: "(?i)\\bno\\b" # a regular expression, found anywhere
          tool: opening_hours   # or a list: each was called
          not_tool: hand_over
          file: rentals.md      # search_knowledge found something in it
          segments: 2           # at most
          language: en
          judge: It is friendly.  # the model is asked whether this is true of the answer
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pydantic
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from connectors.assistant_file import BadFile, Mistake, read_yaml
from connectors.errors import SettingsError
from connectors.settings import ROOT

FOLDER = ROOT / "evaluation" / "cases"

# What answers are told apart by; the fewer, the surer.
LANGUAGES = (
    *("ar", "de", "en", "es", "fr", "hi", "it", "ja", "ko", "pl", "pt", "ru", "uk", "vi", "zh"),
)


class _Strict(pydantic.BaseModel):
    class Config:
        extra = pydantic.Extra.forbid
        allow_mutation = False


class Expect(_Strict):
    """What must be true of one answer."""

    contains: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    not_contains: tuple[str, ...] = ()
    matches: tuple[str, ...] = ()
    tool: tuple[str, ...] = ()
    not_tool: tuple[str, ...] = ()
    file: tuple[str, ...] = ()
    segments: pydantic.PositiveInt | None = None
    language: str | None = None
    judge: str | None = None

    @pydantic.validator(
        "contains", "any_of", "not_contains", "matches", "tool", "not_tool", "file", pre=True
    )
    def _one_is_a_list(cls, value: Any) -> Any:
        given = value if isinstance(value, list) else [value]
        if not given or not all(isinstance(each, str) and each for each in given):
            raise ValueError("must be a text, or a list of texts")
        return tuple(map(str, given))

    @pydantic.validator("language")
    def _is_a_known_language(cls, value: str | None) -> str | None:
        if value not in (None, *LANGUAGES):
            raise ValueError(f"must be one of {', '.join(LANGUAGES)}")
        return value

    @pydantic.validator("matches", each_item=True)
    def _is_an_expression(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"{value!r} is no regular expression: {error}") from None
        return value


class Turn(_Strict):
    customer: str = pydantic.Field(..., min_length=1)
    expect: Expect = pydantic.Field(default_factory=Expect)


class Case(_Strict):
    """`assistant` and the file's own tags are the file's."""

    name: str = pydantic.Field(..., min_length=1, max_length=120)
    turns: list[Turn] = pydantic.Field(..., min_items=1)
    tags: tuple[str, ...] = ()
    note: str = ""
    assistant: str = ""


class _File(_Strict):
    cases: tuple[Case, ...]
    assistant: str = "default"
    tags: tuple[str, ...] = ()


def load(folder: Path = FOLDER, assistants: Iterable[str] = ()) -> list[Case]:
    """All cases of a folder. Raises SettingsError, one line for each mistake in any file."""
    found: list[Case] = []
    mistakes: list[Mistake] = []
    for file in sorted(folder.glob("*.yml")):
        try:
            found += _read(file, set(assistants), {case.name for case in found})
        except BadFile as error:
            mistakes += error.mistakes
    if mistakes:
        raise SettingsError(
            "The cases cannot be used before this is mended:\n"
            + "\n".join(f"  - {mistake}" for mistake in mistakes)
        )
    return found


def _read(file: Path, assistants: set[str], taken: set[str]) -> list[Case]:
    """Raises BadFile."""
    given = read_yaml(file)
    if not isinstance(given, CommentedMap):
        raise BadFile([Mistake(file, 0, "it must be lines of `name: value`, `cases` among them")])
    try:
        read = _File.parse_obj(given)
    except pydantic.ValidationError as error:
        raise BadFile([_mistake(file, given, each) for each in error.errors()]) from None
    if wrong := list(_together(file, given, read, assistants, taken)):
        raise BadFile(wrong)
    return [
        case.copy(update={"assistant": read.assistant, "tags": (*read.tags, *case.tags)})
        for case in read.cases
    ]


def _together(
    file: Path, given: CommentedMap, read: _File, assistants: set[str], taken: set[str]
) -> Iterator[Mistake]:
    """What only several values together can have wrong."""
    if assistants and read.assistant not in assistants:
        line = _line(given, ("assistant",))
        yield Mistake(file, line, f"there is no assistants/{read.assistant}.yml")
    for index, case in enumerate(read.cases):
        if case.name in taken:
            line = _line(given, ("cases", index, "name"))
            yield Mistake(file, line, f"another case is called {case.name!r} too")
        taken = taken | {case.name}


def _mistake(file: Path, given: CommentedMap, error: Any) -> Mistake:
    place = tuple(part for part in error["loc"] if part != "__root__")
    name = ".".join(str(part) for part in place if isinstance(part, str))
    return Mistake(file, _line(given, place), f"`{name}`: {error['msg']}")


def _line(given: Any, place: tuple[str | int, ...]) -> int:
    """The line of a value, or of the last thing on the way to it that is there."""
    line = given.lc.line + 1
    for part in place:
        if isinstance(given, CommentedMap) and part in given:
            line = given.lc.key(part)[0] + 1
        elif isinstance(given, CommentedSeq) and isinstance(part, int):
            line = given.lc.item(part)[0] + 1
        else:
            return int(line)
        given = given[part]
    return int(line)
