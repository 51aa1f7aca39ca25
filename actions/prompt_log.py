"""The prompt log: what is sent to a model goes on record while the model thinks."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from connectors.errors import StoreUnavailable
from connectors.prompt_record import cut, shortened
from connectors.session_log import MODEL_CALL, SessionLog
from connectors.store import Store

log = structlog.get_logger(__name__)

# One prompt in so many is kept whole, so that reading one means reading no more than these.
WHOLE_EVERY = 20
# The last prompts of so many sessions are remembered; others are kept whole, once.
MOST_SESSIONS = 500


@dataclass(frozen=True)
class Last:
    """A session's last prompt that is on record, and how many since the last that is whole."""

    entry: str
    pieces: Sequence[str]
    since_whole: int


class PromptLog:
    """Remembers what this process put on record, only to write less: forgotten, nothing is lost."""

    def __init__(self, store: Store) -> None:
        self.log = SessionLog(store)
        self._last: OrderedDict[str, Last] = OrderedDict()

    def of(self, conversation: str, session: str) -> TurnPrompts:
        """`session` is "" for the first turn of one that no text has opened."""
        return TurnPrompts(self, conversation, session)

    async def keep(self, conversation: str, session: str, asked: dict[str, str], body: str) -> str:
        """The entry it has in the session log, or "". Never raises."""
        pieces, last = cut(body), self._last.get(session)
        if last and last.since_whole + 1 >= WHOLE_EVERY:
            last = None
        data: dict[str, Any] = {**asked, "like": last.entry if last else ""}
        data["body"] = shortened(pieces, last.pieces) if last else pieces
        entry = await self._write(conversation, session, data)
        if entry and session:
            self._last[session] = Last(entry, pieces, last.since_whole + 1 if last else 0)
            self._last.move_to_end(session)
            while len(self._last) > MOST_SESSIONS:
                self._last.popitem(last=False)
        return entry

    async def _write(self, conversation: str, session: str, data: dict[str, Any]) -> str:
        for is_last in (False, True):
            try:
                return await self.log.write(
                    MODEL_CALL, data, conversation=conversation, session=session
                )
            except StoreUnavailable as error:
                if is_last:
                    log.warning("prompt.not_kept", conversation=conversation, reason=str(error))
        return ""


class TurnPrompts:
    """The prompts of one turn."""

    def __init__(self, log: PromptLog, conversation: str, session: str) -> None:
        self.log = log
        self.conversation = conversation
        self.session = session
        self._writing: list[asyncio.Task[str]] = []
        self._sent = b""

    def sent(self, body: bytes, asked: dict[str, str]) -> None:
        """A request leaves: write it down meanwhile. One that is repeated as it was counts once."""
        if body != self._sent:
            self._sent = body
            before = self._writing[-1] if self._writing else None
            self._writing.append(asyncio.create_task(self._keep(before, asked, body)))

    async def kept(self) -> tuple[str, ...]:
        """The entries of what was sent since this was last asked, once they are on record."""
        writing, self._writing, self._sent = self._writing, [], b""
        return tuple(filter(None, [await each for each in writing]))

    async def _keep(
        self, before: asyncio.Task[str] | None, asked: dict[str, str], body: bytes
    ) -> str:
        if before:  # each leans on the one before it
            await before
        return await self.log.keep(self.conversation, self.session, asked, body.decode())
