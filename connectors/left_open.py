"""What an answer left open: the rest of it, and choices to pick from by their number. Pure.

It is kept with the session and belongs to the last answer only.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import regex

_NUMBER = regex.compile(
    r"(?:(?:option|number|choice|no|nr)\b\.?\s*|#\s*)?\(?(\d{1,2})\)?[.!)]?", regex.I
)
ALWAYS_MORE = "more"


@dataclass(frozen=True)
class Choice:
    """A button: what it says, and what Rasa shall take it for ("/affirm", or words)."""

    title: str
    payload: str


@dataclass(frozen=True)
class LeftOpen:
    """`told_all`: the rest was asked for, and this was the last of it."""

    rest: str = ""
    choices: tuple[Choice, ...] = ()
    told_all: bool = False

    @classmethod
    def read(cls, kept: str | None) -> LeftOpen:
        if not kept:
            return cls()
        fields = json.loads(kept)
        choices = tuple(Choice(**choice) for choice in fields.pop("choices"))
        return cls(choices=choices, **fields)

    def write(self) -> str:
        """ "" if nothing is open."""
        return json.dumps(asdict(self)) if self != NOTHING else ""

    def chosen(self, words: str) -> Choice | None:
        """The choice that a text picks: by its number, or by what it says."""
        if by_number := _NUMBER.fullmatch(words.strip()):
            number = int(by_number[1])
            return self.choices[number - 1] if 0 < number <= len(self.choices) else None
        if words.startswith("/"):
            return None  # nobody says so
        same = [choice for choice in self.choices if _bare(choice.title) == _bare(words)]
        return same[0] if len(same) == 1 and _bare(words) else None


NOTHING = LeftOpen()


def is_more(words: str, announced: str) -> bool:
    """Is the whole text the word for more? `announced` is the sentence that offered it: its words
    in capitals count, and MORE always does."""
    wanted = {_bare(word) for word in regex.findall(r"\b\p{Lu}{2,}\b", announced)}
    return _bare(words) in wanted | {ALWAYS_MORE}


def numbered(choices: Sequence[Choice], first: int = 1) -> str:
    """One line for each."""
    return "\n".join(f"{n}. {choice.title}" for n, choice in enumerate(choices, first))


def _bare(words: str) -> str:
    """Letters and digits only, without case and accents: "MÁS!" is "mas"."""
    letters = unicodedata.normalize("NFKD", words.casefold())
    return "".join(char for char in letters if char.isalnum())
