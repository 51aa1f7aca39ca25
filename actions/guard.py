"""What a model said, held against what it may say, however it means it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from actions.leaks import leaks
from actions.links import hosts, without_strange_links
from connectors.assistant import Assistant
from connectors.sensitive import without_secrets

# The sides of a conversation that the business speaks for; a customer is none, nor is the model.
_OURS = ("system", "developer", "tool")


@dataclass(frozen=True)
class Guarded:
    """`kept_back` has a word for each thing that the customer does not get."""

    text: str
    kept_back: tuple[str, ...] = ()


def guarded(
    text: str, assistant: Assistant, now: datetime, read: Sequence[Mapping[str, Any]]
) -> Guarded:
    """`read` is what the model was sent: chat messages, the prompt among them."""
    before = _words(read, ("assistant",))
    # Who has tried already asks for smaller pieces next.
    strict = assistant.texts.withheld in before
    prompt = leaks(assistant.kept_back_at(now), assistant.public_at(now), strict)
    if prompt.found_in(text, "".join(before)):
        return Guarded(assistant.texts.withheld, ("prompt",))
    known = without_strange_links(text, hosts(_words(read, _OURS)))
    bare = without_secrets(known)
    changed = (("link", known != text), ("number", bare != known))
    return Guarded(bare, tuple(name for name, is_so in changed if is_so))


def _words(read: Iterable[Mapping[str, Any]], roles: tuple[str, ...]) -> list[str]:
    said = (message.get("content") for message in read if message.get("role") in roles)
    return [words for words in said if isinstance(words, str)]
