"""The operator's desk: conversations that wait for a person, taken, answered and given back.

What is done is done by connectors/handover, in atomic steps on Redis: two operators cannot hold the
same conversation, and an answer passes the gate like any other. Here it is also put on record who
did it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sql

from connectors.assistants import LiveAssistants
from connectors.gatekeeper import Gatekeeper
from connectors.handover import HandOver
from connectors.settings import Settings
from connectors.store import Store
from review import tables
from review.auditing import note
from review.database import Database
from review.errors import NotThere

LONGEST_ANSWER = 1_600


class Desk:
    """Every step raises NotThere, StoreUnavailable and DatabaseUnavailable; taking and answering
    raise SessionOver, HeldByAnother, NotHeld and NotAllowed, which say what is in the way."""

    def __init__(self, hand_over: HandOver, database: Database) -> None:
        self.hand_over = hand_over
        self.database = database

    @classmethod
    def open(
        cls, settings: Settings, store: Store, database: Database, assistants: LiveAssistants
    ) -> Desk:
        gatekeeper = Gatekeeper(store, limits=settings.limits)
        seconds = settings.session_ttl_seconds
        return cls(HandOver(store, assistants, seconds, gatekeeper), database)

    async def waiting(self) -> Sequence[Mapping[str, Any]]:
        """Conversations that are not the assistant's now, the most urgent first."""
        return [asdict(each) for each in await self.hand_over.all()]

    async def take(self, session: str, who: str) -> None:
        await self.hand_over.take(await self._conversation(session), session, who)
        await self._note(who, "took a conversation over", session)

    async def answer(self, session: str, who: str, text: str) -> Sequence[str]:
        """The ids of the parts that are on their way. Raises ValueError for nothing to send."""
        conversation = await self._conversation(session)
        parts = await self.hand_over.answer(conversation, session, who, text)
        await self._note(who, "answered a customer", session)
        return parts

    async def give_back(self, session: str, who: str) -> None:
        await self.hand_over.give_back(await self._conversation(session), session, who)
        await self._note(who, "gave a conversation back", session)

    async def _conversation(self, session: str) -> str:
        return await asyncio.to_thread(self._find, session)

    def _find(self, session: str) -> str:
        table = tables.sessions.c
        query = sql.select(table.conversation).where(table.id == session)
        with self.database.reading() as connection:
            found = connection.execute(query).scalar()
        if found is None:
            raise NotThere("There is no such session, or it was deleted.")
        return str(found)

    async def _note(self, who: str, what: str, session: str) -> None:
        await asyncio.to_thread(self._write_note, who, what, session)

    def _write_note(self, who: str, what: str, session: str) -> None:
        with self.database.writing() as connection:
            note(connection, who, what, session=session)
