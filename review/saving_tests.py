"""Saving tests: a session becomes a story for `rasa test`, or a case for `make eval`.

Files are read, changed and replaced whole, under a lock, so nothing in them is ever half written.
What is saved again replaces what was saved before.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import LiteralScalarString

from review.errors import Unusable

STORIES = Path("tests") / "test_from_sessions.yml"
CASES = Path("evaluation") / "cases"
FROM_SESSIONS = "-from-sessions.yml"
PICTURE = "[picture]"  # what the turn puts in the place of a message without words
# Rasa reads this as "here is an entity".
_MARKUP = re.compile(r"\[[^\]]*\]\s*[({]")
_FILE = re.compile(r"[\w-][\w.-]*")

Item = Mapping[str, Any]


@dataclass
class Exchange:
    """What the customer said in one turn, and what followed. `intent` is as corrected."""

    texts: list[str] = field(default_factory=list)
    intent: str = ""
    actions: list[str] = field(default_factory=list)
    slots: dict[str, Any] = field(default_factory=dict)
    ideal: str = ""

    @property
    def words(self) -> str:
        return "\n".join(text for text in self.texts if text.strip())


def exchanges(flow: Sequence[Item]) -> list[Exchange]:
    """Turns that were answered as usual; one that failed has nothing to test."""
    found: dict[str, Exchange] = {}
    failed: set[str] = set()
    for item in flow:
        turn = item.get("turn") or {}
        name = str(item.get("answered_in_turn") or turn.get("id") or "")
        if item["type"] == "message" and item["author"] == "customer":
            _heard(found.setdefault(name, Exchange()), item)
        elif turn and name in found:
            _answered(found[name], item, turn)
            failed |= {name} if turn["failed"] else set()
    return [each for name, each in found.items() if name and name not in failed]


def _heard(exchange: Exchange, item: Item) -> None:
    exchange.texts.append(str(item["body"]))
    understood = item.get("understood") or {}
    exchange.intent = _noted(item, "intent") or exchange.intent or understood.get("intent") or ""


def _answered(exchange: Exchange, item: Item, turn: Mapping[str, Any]) -> None:
    exchange.actions = [str(action["name"]) for action in turn["actions"]]
    exchange.slots = dict(turn["slots_set"])
    exchange.ideal = exchange.ideal or _noted(item, "ideal")


def _noted(item: Item, kind: str) -> str:
    return next((str(n["value"]) for n in item.get("notes", ()) if n["kind"] == kind), "")


def save_story(session: Mapping[str, Any], root: Path) -> str:
    """The file it is in now. Raises Unusable, which says why it cannot be a story."""
    steps: list[Any] = []
    for each in exchanges(session["flow"]):
        if each.actions:
            steps += _steps(each)
    if not steps:
        raise Unusable("Nothing in this session was answered by the assistant.")
    name = _name(session["id"])
    story = {"story": name, "steps": steps}
    with _changed(root / STORIES, {"version": "3.1", "stories": []}) as content:
        content["stories"] = [s for s in content["stories"] if s.get("story") != name] + [story]
    return str(STORIES)


def _steps(exchange: Exchange) -> Iterator[dict[str, Any]]:
    words = exchange.words
    if words.startswith("/") or _MARKUP.search(words):
        raise Unusable("A story cannot hold a text that begins with / or looks like [this](that).")
    if not exchange.intent:
        raise Unusable("It is not known what a message was understood as: correct its intent.")
    yield {"user": _text(words or f"/{exchange.intent}"), "intent": exchange.intent}
    for action in exchange.actions:
        yield {"action": action}
    if exchange.slots:
        yield {"slot_was_set": [{name: value} for name, value in exchange.slots.items()]}


def save_case(session: Mapping[str, Any], root: Path) -> str:
    """The file it is in now. Raises Unusable."""
    turns: list[dict[str, Any]] = []
    for each in exchanges(session["flow"]):
        turn: dict[str, Any] = {"customer": _text(each.words or PICTURE)}
        if each.ideal:
            turn["expect"] = {"judge": _text(f"It says what this says: {each.ideal}")}
        turns.append(turn)
    while turns and "expect" not in turns[-1]:
        turns.pop()
    if not turns:
        raise Unusable("Write the ideal answer to a message first: it is what will be expected.")
    assistant = session["assistant"] or "default"
    if not _FILE.fullmatch(assistant):
        raise Unusable("The assistant's name cannot be that of a file.")
    name = _name(session["id"])
    case = {"name": name, "tags": ["from a session"], "turns": turns}
    file = CASES / f"{assistant}{FROM_SESSIONS}"
    with _changed(root / file, {"assistant": assistant, "cases": []}) as content:
        content["cases"] = [c for c in content["cases"] if c.get("name") != name] + [case]
    return str(file)


SAVE: Mapping[str, Callable[[Mapping[str, Any], Path], str]] = {
    "story": save_story,
    "evaluation": save_case,
}


def forget(session_ids: Sequence[str], root: Path) -> tuple[list[str], dict[str, str]]:
    """Take what was saved from these sessions out of the files: those that were changed, and
    those that still hold some of it, with the reason."""
    changed, left = [], {}
    names = {_name(session_id) for session_id in session_ids}
    for file in (root / STORIES, *sorted((root / CASES).glob(f"*{FROM_SESSIONS}"))):
        shown = str(file.relative_to(root))
        try:
            if _forget_in(file, names):
                changed.append(shown)
        except Unusable as error:
            left[shown] = str(error)
    return changed, left


def _forget_in(file: Path, names: Collection[str]) -> bool:
    try:
        words = file.read_text("utf-8") if file.exists() else ""
    except (OSError, ValueError):
        raise Unusable(f"{file.name} cannot be read") from None
    if not any(name in words for name in names):
        return False
    gone = 0
    with _changed(file, {}) as content:
        for key in {"stories", "cases"} & set(content):
            left = [one for one in content[key] or () if _names(one).isdisjoint(names)]
            gone += len(content[key] or ()) - len(left)
            content[key] = left
    return gone > 0


def _names(one: Any) -> set[str]:
    return {str(one.get("story")), str(one.get("name"))} if isinstance(one, Mapping) else set()


def _name(session_id: str) -> str:
    return f"session {session_id}"


@contextmanager
def _changed(file: Path, empty: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The file's content, to be changed; it is written back at the end of the block."""
    yaml: Any = YAML()
    yaml.width = 100
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with _alone_in(file.parent):
            content = yaml.load(file.read_text("utf-8")) if file.exists() else empty
            if not isinstance(content, dict):
                raise Unusable(f"{file.name} is not as it was written: mend it first.")
            yield content
            if not (content.get("stories") or content.get("cases")):
                file.unlink(missing_ok=True)
                return
            fresh = file.parent / f".{file.name}.new"
            with fresh.open("w", encoding="utf-8") as out:
                yaml.dump(content, out)
                out.flush()
                os.fsync(out.fileno())
            fresh.replace(file)
    except YAMLError:
        raise Unusable(f"{file.name} is no YAML any more: mend it first.") from None
    except OSError as error:
        raise Unusable(f"{file.name} cannot be written here: {error.strerror}") from None


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """One writer at a time, by a lock on the folder itself: no file of ours is left behind."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _text(words: str) -> str:
    return LiteralScalarString(words) if "\n" in words else words
