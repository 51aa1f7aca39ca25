"""The folder of assistants: who answers which number, and the newest good version of each file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from connectors.assistant import Assistant
from connectors.assistant_file import BadFile, Mistake, read_assistant
from connectors.errors import SettingsError
from connectors.settings import Settings

LOOK_AGAIN_SECONDS = 1.0

log = structlog.get_logger(__name__)

# More to check, for a process that knows more: what is wrong, at which field of the file.
Check = Callable[[Assistant], Iterable[tuple[str, str]]]


@dataclass(frozen=True)
class Assistants:
    """All assistants of one moment, by id. `load` is how to get them."""

    by_id: Mapping[str, Assistant]
    _by_number: Mapping[str, Assistant] = field(repr=False)
    default: Assistant | None

    @classmethod
    def load(cls, folder: Path | None = None, also: Check | None = None) -> Assistants:
        """Those in ASSISTANTS_FOLDER, or in another folder.

        Raises SettingsError, one line for each mistake in any of the files.
        """
        folder = folder or Settings.load().assistants_folder
        files = sorted(folder.glob("*.yml"))
        if not files:
            raise SettingsError(f"{folder} has no assistant, which is a file like default.yml")
        found, mistakes = [], []
        for file in files:
            try:
                found.append(read_assistant(file))
            except BadFile as error:
                mistakes += error.mistakes
        mistakes += _together(folder, found)
        mistakes += _more(folder, found, also)
        if mistakes:
            raise SettingsError(
                "The assistants cannot be used before this is mended:\n"
                + "\n".join(f"  - {mistake}" for mistake in mistakes)
            )
        return cls.of(found)

    @classmethod
    def of(cls, assistants: Iterable[Assistant]) -> Assistants:
        by_id = {assistant.id: assistant for assistant in assistants}
        by_number = {number: each for each in by_id.values() for number in each.numbers}
        chosen = [each for each in by_id.values() if each.default]
        only = list(by_id.values()) if len(by_id) == 1 else chosen
        return cls(by_id, by_number, only[0] if only else None)

    @property
    def numbers(self) -> tuple[str, ...]:
        """What the files claim."""
        return tuple(self._by_number)

    def for_number(self, number: str) -> Assistant | None:
        """Who answers one of our numbers; None: nobody, it is not attached."""
        return self._by_number.get(number, self.default)

    def standing_in_for(self, number: str) -> Assistant:
        """Who answers a number; for one that lost its assistant a moment ago, another."""
        return self.for_number(number) or self.named(None)

    def named(self, assistant_id: str | None) -> Assistant:
        """The assistant of a conversation. One that is gone is stood in for."""
        found = self.by_id.get(assistant_id or "", self.default)
        return found or next(iter(self.by_id.values()))


def attached(numbers: Iterable[str], assistants: Assistants) -> tuple[str, ...]:
    """Of our numbers (TWILIO_NUMBERS, and what the files claim) those that somebody answers."""
    ours = dict.fromkeys((*numbers, *assistants.numbers))
    return tuple(number for number in ours if assistants.for_number(number))


class LiveAssistants:
    """The assistants, with changes to the files picked up within a second.

    A bad edit keeps what was good, and says so in the log once.
    """

    def __init__(self, folder: Path | None = None, also: Check | None = None) -> None:
        """Raises SettingsError."""
        self._folder = folder or Settings.load().assistants_folder
        self._also = also
        self._seen = _versions(self._folder)
        self._looked = time.monotonic()
        self._assistants = Assistants.load(self._folder, also)

    @property
    def now(self) -> Assistants:
        """Looks at the files' times once a second; reading them again takes milliseconds."""
        if time.monotonic() - self._looked >= LOOK_AGAIN_SECONDS:
            self._looked = time.monotonic()
            self._look()
        return self._assistants

    def _look(self) -> None:
        seen = _versions(self._folder)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._assistants = Assistants.load(self._folder, self._also)
        except SettingsError as error:
            log.error("assistants.not_taken", reason=str(error), then="the last good ones answer")
        else:
            log.info("assistants.taken", assistants=sorted(self._assistants.by_id))


def _versions(folder: Path) -> dict[Path, tuple[int, int]]:
    found = {}
    for file in folder.glob("*.yml"):
        try:
            status = file.stat()
        except FileNotFoundError:  # an editor is just replacing it
            continue
        found[file] = (status.st_mtime_ns, status.st_size)
    return found


def _together(folder: Path, assistants: list[Assistant]) -> Iterator[Mistake]:
    """What only several files together can have wrong."""
    claimed: dict[str, str] = {}
    default = ""
    for each in assistants:
        for number in each.numbers:
            first = claimed.setdefault(number, each.id)
            if first != each.id:
                yield _mistake(folder, each, "numbers", f"{number} is {first}.yml's already")
        if each.default and default:
            yield _mistake(folder, each, "default", f"{default}.yml is the default already")
        default = default or (each.id if each.default else "")


def _more(folder: Path, assistants: list[Assistant], also: Check | None) -> Iterator[Mistake]:
    for each in assistants if also else ():
        assert also is not None
        for name, problem in also(each):
            yield _mistake(folder, each, name, problem)


def _mistake(folder: Path, assistant: Assistant, name: str, problem: str) -> Mistake:
    return Mistake(folder / f"{assistant.id}.yml", assistant.lines.get(name, 0), problem)
