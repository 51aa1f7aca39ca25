"""An assistant file, read and checked: every mistake is named with its line."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from connectors.assistant import (
    PROMPT_VARIABLES,
    TEXT_VARIABLES,
    Assistant,
    ModelSettings,
    Prices,
    Texts,
    unknown_variables,
)
from connectors.hours import DAYS, Hours, read_days, read_hours, read_spans
from connectors.settings import NUMBER, ROOT

LONGEST_DEADLINE_SECONDS = 45  # the action server gives up after 60: then there would be silence
DAY_SECONDS = 86_400


class Mistake(NamedTuple):
    """`line` counts from 1; 0 is the file as a whole."""

    file: Path
    line: int
    problem: str

    def __str__(self) -> str:
        shown = self.file.relative_to(ROOT) if self.file.is_relative_to(ROOT) else self.file
        return f"{shown}:{self.line}: {self.problem}" if self.line else f"{shown}: {self.problem}"


class BadFile(Exception):
    """The file cannot be used; `mistakes` has every reason."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = mistakes


def read_assistant(file: Path) -> Assistant:
    """The assistant in a file. Raises BadFile."""
    given = read_yaml(file)
    if not isinstance(given, CommentedMap):
        raise BadFile([Mistake(file, 0, "it must be lines of `name: value`")])
    reader = _Reader(file)
    values = reader.section(given, _FILE)
    for name in ("name", "prompt"):
        if name not in given:
            reader.mistakes.append(Mistake(file, 0, f"`{name}` is missing"))
    if not reader.mistakes:
        reader.check_together(given, values)
    if reader.mistakes:
        raise BadFile(sorted(reader.mistakes, key=lambda mistake: mistake.line))
    lines = {str(name): _line(given, name) for name in given}
    return Assistant(id=file.stem, lines=lines, **values).finished()


def read_yaml(file: Path) -> Any:
    """What is in a file, each thing with its line. Raises BadFile."""
    try:
        return YAML(typ="rt").load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadFile([Mistake(file, 0, f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError:
        raise BadFile([Mistake(file, 0, "is not a UTF-8 text file")]) from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        problem = (error.problem or "this is not YAML").split("\n")[0]
        raise BadFile([Mistake(file, line, problem)]) from None
    except YAMLError:
        raise BadFile([Mistake(file, 0, "is not YAML")]) from None
    except RecursionError:
        raise BadFile([Mistake(file, 0, "is too deeply nested")]) from None


class _Wrong(Exception):
    """A value that is not what is wanted; says what is."""


@dataclass(frozen=True)
class _Kind:
    """What a field wants, and how it is read: `read` raises _Wrong, or anything for `wanted`."""

    wanted: str
    read: Callable[[Any], Any]


@dataclass(frozen=True)
class _Section:
    """Fields below a field. `make` gets what was read, by name."""

    kinds: Mapping[str, _Kind | _Section]
    make: Callable[..., Any]


_Kinds = Mapping[str, "_Kind | _Section"]


class _Reader:
    """Collects what is wrong with one file instead of stopping at the first thing."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.mistakes: list[Mistake] = []

    def section(self, given: CommentedMap, kinds: _Kinds, above: str = "") -> dict[str, Any]:
        values = {}
        for name, value in given.items():
            shown, line = f"{above}{name}", _line(given, name)
            kind = kinds.get(name) if isinstance(name, str) else None
            if kind is None:
                self.wrong(line, f"`{shown}` is unknown; known are {', '.join(kinds)}")
            elif isinstance(kind, _Section):
                values[name] = self.below(line, value, kind, shown)
            else:
                values[name] = self.value(line, value, kind, shown)
        return values

    def below(self, line: int, given: Any, section: _Section, shown: str) -> Any:
        if not isinstance(given, CommentedMap):
            return self.wrong(line, f"`{shown}` must have lines of `name: value` below it")
        before = len(self.mistakes)
        values = self.section(given, section.kinds, f"{shown}.")
        return section.make(**values) if len(self.mistakes) == before else None

    def value(self, line: int, given: Any, kind: _Kind, shown: str) -> Any:
        try:
            return kind.read(given)
        except _Wrong as wrong:
            return self.wrong(line, f"`{shown}`: {wrong}")
        except (TypeError, ValueError, AttributeError):
            return self.wrong(line, f"`{shown}` must be {kind.wanted}, not {_shown(given)}")

    def wrong(self, line: int, problem: str) -> None:
        self.mistakes.append(Mistake(self.file, line, problem))

    def check_together(self, given: CommentedMap, values: Mapping[str, Any]) -> None:
        """What only several fields together can have wrong."""
        if "hours" not in values:
            for name in ("{hours}", "{open_now}"):
                for text in ("prompt", "facts"):
                    if name in values.get(text, ""):
                        problem = f"`{text}` has {name}, but `hours` is missing"
                        self.wrong(_line(given, text), problem)
        folder = values.get("knowledge")
        if folder and not (self.file.parent / folder).is_dir():
            where = _line(given, "knowledge")
            self.wrong(
                where, f"`knowledge`: there is no folder {folder} in {self.file.parent.name}/"
            )


def _text(longest: int, variables: tuple[str, ...] | None = None) -> _Kind:
    def read(value: Any) -> str:
        text = _is(value, str).strip()
        if not 0 < len(text) <= longest:
            raise ValueError
        problem = unknown_variables(text, variables) if variables else None
        if problem:
            raise _Wrong(problem)
        return str(text)

    return _Kind(f"a text of 1 to {longest} characters", read)


def _number(low: float, high: float, kind: type[int] | type[float] = int) -> _Kind:
    def read(value: Any) -> float:
        number = kind(_is(value, int if kind is int else (int, float)))
        if isinstance(value, bool) or not low <= number <= high:
            raise ValueError
        return number

    return _Kind(f"a {'whole ' if kind is int else ''}number from {low} to {high}", read)


def _list(kind: _Kind, wanted: str) -> _Kind:
    def read(value: Any) -> tuple[Any, ...]:
        items = [kind.read(item) for item in _is(value, CommentedSeq)]
        if len(set(items)) != len(items):
            raise _Wrong("something is listed twice")
        return tuple(items)

    return _Kind(f"a list of {wanted}", read)


def _matching(pattern: str, wanted: str) -> _Kind:
    def read(value: Any) -> str:
        if not re.fullmatch(pattern, _is(value, str)):
            raise ValueError
        return str(value)

    return _Kind(wanted, read)


def _phone_number(value: Any) -> str:
    """YAML takes +15550100001 without quotes for a number, and loses its plus."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = f"+{value}" if value > 999_999 else str(value)
    if not NUMBER.fullmatch(_is(value, str)):
        raise _Wrong(f'{_shown(value)} is no number like "+15550100001"')
    return str(value)


def _zone(value: Any) -> str:
    if _is(value, str) not in zoneinfo.available_timezones():
        raise ValueError
    return str(value)


def _folder(value: Any) -> str:
    path = Path(_is(value, str))
    if path.is_absolute() or ".." in path.parts:
        raise ValueError
    return str(value)


def _days(**spans: Any) -> Hours:
    closed_on = spans.pop("closed_on", ())
    return read_hours(spans, closed_on)


class _DayKinds(dict[str, "_Kind | _Section"]):
    """Any day and any range of days is a name here."""

    def get(self, name: str, default: Any = None) -> Any:
        if name in self:
            return self[name]
        try:
            read_days(name)
        except ValueError:
            return default
        return _Kind("times like 9:00-18:00", _times)


def _times(value: Any) -> str:
    try:
        read_spans(_is(value, str))
    except ValueError as error:
        raise _Wrong(str(error)) from None
    return str(value)


def _date(value: Any) -> date:
    return date(value.year, value.month, value.day)


def _flag(value: Any) -> bool:
    return bool(_is(value, bool))


def _plain(value: Any) -> dict[str, Any]:
    """ruamel's own kinds carry the file's layout along; an endpoint gets JSON."""
    given = _is(value, CommentedMap)
    return {str(name): _as_json(item) for name, item in given.items()}


def _as_json(value: Any) -> Any:
    if isinstance(value, CommentedMap):
        return _plain(value)
    if isinstance(value, CommentedSeq):
        return [_as_json(item) for item in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    if value is None:
        return None
    raise TypeError


def _is(value: Any, kinds: Any) -> Any:
    if not isinstance(value, kinds):
        raise TypeError
    return value


def _line(given: CommentedMap, name: Any) -> int:
    return int(given.lc.key(name)[0]) + 1


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, (CommentedMap, CommentedSeq)):
        # Never written out: with YAML's aliases, a few lines stand for billions of words.
        return "a list" if isinstance(value, CommentedSeq) else "a section"
    text = repr(str(value)) if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else f"{text[:40]}... ({len(text)} characters)"


_MODEL: _Kinds = {
    "name": _text(200),
    "temperature": _number(0, 2, float),
    "max_tokens": _number(1, 8_192),
    "extra": _Kind("lines of `name: value` that the endpoint understands", _plain),
    "prices": _Section(
        {"prompt": _number(0, 10_000, float), "completion": _number(0, 10_000, float)}, Prices
    ),
}

# In the order of the dataclass, because a message lists them.
_FILE: _Kinds = {
    "name": _text(80),
    "prompt": _text(20_000, PROMPT_VARIABLES),
    "facts": _text(20_000, PROMPT_VARIABLES),
    "numbers": _list(_Kind("a number", _phone_number), "numbers like +15550100001"),
    "default": _Kind("true or false", _flag),
    "contact": _text(80),
    "timezone": _Kind("a time zone like America/New_York", _zone),
    "languages": _list(
        _matching(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", "a language like en"), "languages like en, es"
    ),
    "model": _Section(_MODEL, ModelSettings),
    "fallback_model": _Section(_MODEL, ModelSettings),
    "deadline_seconds": _number(1, LONGEST_DEADLINE_SECONDS, float),
    "session_seconds": _number(60, 30 * DAY_SECONDS),
    "history_tokens": _number(100, 200_000),
    "summary_tokens": _number(0, 4_000),
    "segments": _number(1, 10),
    "emoji": _Kind("true or false", _flag),
    "knowledge": _Kind("a folder beside this file", _folder),
    "embedding_model": _text(200),
    "tools": _list(_matching(r"[a-z_][a-z0-9_]{0,63}", "a tool's name"), "names of tools"),
    "hours": _Section(
        _DayKinds(
            dict.fromkeys(DAYS, _Kind("times like 9:00-18:00", _times))
            | {"closed_on": _list(_Kind("a date like 2026-12-25", _date), "dates like 2026-12-25")}
        ),
        _days,
    ),
    "hand_over_minutes": _number(0, 1_440),
    "texts": _Section({f.name: _text(480, TEXT_VARIABLES) for f in fields(Texts)}, Texts),
}
