"""Dead letters: texts that Rasa could not answer, whose customers got the plain sentence."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from enum import IntEnum

from connectors import keys
from connectors.inbox import WaitingText
from connectors.lanes import Lane
from connectors.store import Store, unavailable_is_named


class Retry(IntEnum):
    """What became of trying a dead letter again; see lua/revive.lua."""

    SESSION_OVER = -1
    TAKEN_BY_ANOTHER = 0
    IN_THE_INBOX = 1


@dataclass(frozen=True)
class DeadLetter:
    """`items` are the texts as the inbox kept them; `at` is in seconds since 1970."""

    conversation: str
    reason: str
    at: float
    items: tuple[str, ...]

    @classmethod
    def new(cls, conversation: str, reason: str, items: tuple[str, ...]) -> DeadLetter:
        return cls(conversation, reason, time.time(), items)

    @property
    def session(self) -> str:
        """The one that the texts came in."""
        return WaitingText.read(self.items[-1]).session

    @classmethod
    def read(cls, line: str) -> DeadLetter:
        given = json.loads(line)
        return cls(**{**given, "items": tuple(given["items"])})

    def write(self) -> str:
        return json.dumps(self.__dict__)


class DeadLetters:
    """What is kept of them. Every step raises StoreUnavailable."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.inbox = Lane(store, "inbox", batch=1)

    async def all(self) -> list[DeadLetter]:
        """Oldest first, the last thousand."""
        with unavailable_is_named():
            lines = await self.store.client.lrange(keys.DEAD_LETTERS, 0, -1)
        return [DeadLetter.read(line) for line in lines]

    async def retry(self, letter: DeadLetter) -> Retry:
        """Put the texts back into the inbox, unless somebody else has, or it is too late."""
        answer = await self.store.step(
            "revive",
            [
                keys.DEAD_LETTERS,
                keys.session(letter.conversation),
                self.inbox.items(letter.conversation),
                self.inbox.due,
                self.inbox.leases,
            ],
            [
                letter.write(),
                letter.conversation,
                self.inbox.wake,
                letter.session,
                *reversed(letter.items),
            ],
        )
        return Retry(int(answer))
