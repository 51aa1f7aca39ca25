"""An assistant file (assistants/default.yml): what a business edits, read and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from connectors.errors import SettingsError
from connectors.settings import ROOT

DEFAULT_FILE = ROOT / "assistants" / "default.yml"


@dataclass(frozen=True)
class Assistant:
    """How one assistant speaks. `Assistant.load()` is how to get one."""

    name: str
    prompt: str
    apology: str
    temperature: float | None = None  # None leaves it to the model's own default
    max_tokens: int = 300
    history_tokens: int = 3000
    longest_reply: int = 480
    deadline_seconds: float = 20.0
    late_apology: str = "Sorry, our answer took too long. Please text again if you still need it."

    @classmethod
    def load(cls, file: Path = DEFAULT_FILE) -> Assistant:
        """Raises SettingsError, one line for each mistake in the file."""
        shown = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file
        try:
            given = YAML(typ="rt").load(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsError(f"{shown} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise SettingsError(f"{shown} is not a UTF-8 text file") from None
        except YAMLError as error:
            raise SettingsError(f"{shown}{_yaml_mistake(error)}") from None
        problems = _problems(given)
        if problems:
            raise SettingsError(
                "The assistant cannot be used before this is mended:\n"
                + "\n".join(f"  - {shown}{problem}" for problem in problems)
            )
        return cls(**{name: _tidy(value) for name, value in given.items()})


class _Rule(NamedTuple):
    is_good: Callable[[Any], bool]
    wanted: str


def _text(longest: int) -> _Rule:
    return _Rule(
        lambda value: isinstance(value, str) and 0 < len(value.strip()) <= longest,
        f"a text of 1 to {longest} characters",
    )


def _number(low: float, high: float, kinds: Any) -> _Rule:
    kind = "a whole number" if kinds is int else "a number"

    def is_good(value: Any) -> bool:
        return isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high

    return _Rule(is_good, f"{kind} from {low} to {high}")


_RULES: Mapping[str, _Rule] = {
    "name": _text(80),
    "prompt": _text(20_000),
    "apology": _text(480),
    "temperature": _number(0, 2, (int, float)),
    "max_tokens": _number(1, 8_192, int),
    "history_tokens": _number(100, 200_000, int),
    "longest_reply": _number(20, 1_600, int),
    # The action server gives up after 60 seconds, and then the customer would get silence.
    "deadline_seconds": _number(1, 45, (int, float)),
    "late_apology": _text(480),
}
_REQUIRED = [f.name for f in fields(Assistant) if f.default is MISSING]


def _problems(given: Any) -> list[str]:
    if not isinstance(given, CommentedMap):
        return [": it must be lines of `name: value`"]
    wrong = [_problem(given, name) for name in given]
    missing = [f": `{name}` is missing" for name in _REQUIRED if name not in given]
    return [problem for problem in wrong if problem] + missing


def _problem(given: CommentedMap, name: Any) -> str | None:
    line = given.lc.key(name)[0] + 1
    if name not in _RULES:
        return f":{line}: `{name}` is unknown; known are {', '.join(_RULES)}"
    if not _RULES[name].is_good(given[name]):
        return f":{line}: `{name}` must be {_RULES[name].wanted}, not {_shown(given[name])}"
    return None


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    text = repr(str(value)) if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else f"{text[:40]}... ({len(text)} characters)"


def _tidy(value: Any) -> Any:
    """Plain values: ruamel's carry the file's layout along."""
    if isinstance(value, str):
        return str(value).strip()
    return float(value) if isinstance(value, float) else int(value)


def _yaml_mistake(error: YAMLError) -> str:
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        problem = (error.problem or "this is not YAML").split("\n")[0]
        return f":{error.problem_mark.line + 1}: {problem}"
    return " is not YAML"
