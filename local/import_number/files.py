"""The `numbers:` of an assistant's file: edited without touching a line of the rest."""

from __future__ import annotations

import io
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from connectors.assistants import Assistants
from connectors.errors import SettingsError


def attach(file: Path, number: str) -> None:
    """Add the number to the file. Raises SettingsError, and leaves the file as it was."""
    _rewrite(file, with_number(file.read_text(encoding="utf-8"), number))


def detach(file: Path, number: str) -> None:
    """Take the number out of the file. Raises SettingsError, and leaves the file as it was."""
    _rewrite(file, without_number(file.read_text(encoding="utf-8"), number))


def with_number(text: str, number: str) -> str:
    """The file's text with the number in `numbers`."""
    yaml, data = _read(text)
    quoted = DoubleQuotedScalarString(number)
    if data.get("numbers"):
        data["numbers"].append(quoted)
    else:
        numbers = CommentedSeq([quoted])
        numbers.fa.set_flow_style()
        data.pop("numbers", None)
        data.insert(list(data).index("name") + 1 if "name" in data else 0, "numbers", numbers)
    return _written(yaml, data)


def without_number(text: str, number: str) -> str:
    """The file's text without the number; without `numbers`, if it was the only one."""
    yaml, data = _read(text)
    numbers = data["numbers"]
    if list(numbers) == [number]:
        # By lines: ruamel counts the comment below a key as the key's, and would take it along.
        lines = text.splitlines(keepends=True)
        first, last = data.lc.key("numbers")[0], numbers.lc.item(0)[0]
        return "".join(lines[:first] + lines[last + 1 :])
    numbers.remove(number)
    return _written(yaml, data)


def _read(text: str) -> tuple[YAML, CommentedMap]:
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True  # type: ignore[assignment]
    yaml.width = 1_000_000  # type: ignore[assignment]  # no line is folded
    if "\n  - " in text:
        yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml, yaml.load(text)


def _written(yaml: YAML, data: CommentedMap) -> str:
    out = io.StringIO()
    yaml.dump(data, out)
    return out.getvalue()


def _rewrite(file: Path, text: str) -> None:
    before = file.read_text(encoding="utf-8")
    _replace(file, text)
    try:
        Assistants.load(file.parent)
    except SettingsError:
        _replace(file, before)
        raise


def _replace(file: Path, text: str) -> None:
    """In one step: Rasa may read it at any moment."""
    fresh = file.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.chmod(file.stat().st_mode)
    fresh.replace(file)
