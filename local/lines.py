"""Lines: what a part logs, as a person reads it below `make run`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

_TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:[.,]\d+)? +"
_RASAS = re.compile(_TIME + r"(?P<level>[A-Z]+) +(?P<logger>\S+) +- (?P<said>.*)")
_STRUCTLOGS = re.compile(_TIME + r"\[(?P<level>\w+) *\] (?P<said>.*)")
# What these say in passing is for their authors; that a part answers, the launcher says.
_CHATTY = re.compile(r"(rasa|rasa_sdk|root|sanic)(\.|$)")
# Of servers with gigabytes. It comes at every start, and the owner of a laptop cannot act on it.
_NOT_FOR_THIS_MACHINE = "WARNING Memory overcommit must be enabled"
_PASSING = ("DEBUG", "INFO")


def readable(line: str) -> str | None:
    """Without its own time, which the launcher prints; JSON as words. None: better not shown."""
    if _NOT_FOR_THIS_MACHINE in line:
        return None
    if found := _RASAS.fullmatch(line):
        return _from_rasa(found["level"], found["logger"], found["said"])
    if found := _STRUCTLOGS.fullmatch(line):
        return _with_level(found["level"].upper(), re.sub(r" {2,}", " ", found["said"]))
    return line


def _from_rasa(level: str, logger: str, said: str) -> str | None:
    fields = _fields(said)
    if fields is not None:
        return _with_level(level, _words(fields))
    if level in _PASSING and _CHATTY.match(logger):
        return None
    return _with_level(level, f"{logger}: {said}")


def _fields(said: str) -> dict[str, object] | None:
    try:
        fields = json.loads(said)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) and "event" in fields else None


def _words(fields: Mapping[str, object]) -> str:
    more = (f"{key}={_value(fields[key])}" for key in fields if key not in ("event", "level"))
    return " ".join([str(fields["event"]), *more])


def _value(value: object) -> str:
    """A trace keeps its lines: it is read by people, too."""
    if isinstance(value, str) and ("\n" in value or (value and " " not in value)):
        return value
    return json.dumps(value, ensure_ascii=False)


def _with_level(level: str, said: str) -> str:
    return said if level in _PASSING else f"{level} {said}"
