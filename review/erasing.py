"""Erasing: a customer's data is handed over, or deleted everywhere.

Deleting goes from the outside in, Twilio, Redis, saved tests, SQL, so that whatever fails on the
way can be done again: what is needed for it goes last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from connectors.forget import forget
from connectors.ids import conversation_id, entry_at_ms, entry_number, mask, of_origin
from connectors.store import Store
from review import customer_data, listing, reading, saving_tests, tables
from review.auditing import note
from review.customer_data import Customer
from review.database import Database
from review.erased import bury, sids_in
from review.errors import NotAtTwilio
from review.origins import origin_name, origin_number
from review.prices import Prices
from review.redaction import Redactor, redact_later
from review.taker import Taker


@dataclass(frozen=True)
class Erasure:
    """What was deleted: so many sessions, and tests saved from them in `files`.

    `left` are files that still hold some, and why.
    """

    sessions: int
    files: Sequence[str]
    left: Mapping[str, str]


def export(database: Database, session_id: str, prices: Prices, who: str) -> dict[str, Any]:
    """Everything that is kept of a session's customer, as one reads it (`sessions`) and as it
    stands in the tables that a deletion empties (`tables`). Raises NotThere."""
    with database.reading() as connection:
        customer = customer_data.customer_of(connection, session_id)
        told = {
            "customer": customer.number,
            "sessions": [_told(connection, name, prices) for name in customer.ids],
            "tables": {
                table.name: customer_data.rows(connection, table, customer)
                for table in customer_data.HELD
            },
        }
    with database.writing() as connection:
        note(connection, who, "exported a customer", session=session_id)
    return told


def _told(connection: Connection, session_id: str, prices: Prices) -> dict[str, Any] | None:
    found = reading.session(connection, session_id, prices, listing.NO_TIME)
    return reading.with_prompts(connection, found) if found else None


class Eraser:
    """Deletes customers. `numbers` are ours; `project` is where sessions are saved as tests."""

    def __init__(
        self,
        store: Store,
        database: Database,
        taker: Taker,
        redactor: Redactor,
        numbers: Sequence[str] = (),
        project: Path | None = None,
    ) -> None:
        self.store = store
        self.database = database
        self.taker = taker
        self.redactor = redactor
        self.numbers = numbers
        self.project = project

    async def erase(self, session_id: str, who: str) -> Erasure:
        """Raises NotThere, NotAtTwilio, StoreUnavailable and DatabaseUnavailable."""
        customer, sids = await asyncio.to_thread(self._find, session_id)
        await self._redact(sids)
        until = {
            conversation: entry_number(await forget(self.store, conversation))
            for conversation in await self._conversations(customer)
        }
        # So that the stream is empty of it, too. What others have in hand, `erased` keeps away.
        await self.taker.once()
        origin = origin_name(await self.store.id_key())
        return await asyncio.to_thread(self._delete, session_id, who, until, origin, sids)

    def _find(self, session_id: str) -> tuple[Customer, set[str]]:
        with self.database.reading() as connection:
            customer = customer_data.customer_of(connection, session_id)
            return customer, self._sids(connection, customer)

    def _sids(self, connection: Connection, customer: Customer) -> set[str]:
        messages = customer_data.rows(connection, tables.messages, customer)
        records = customer_data.rows(connection, tables.records, customer)
        known = {str(message["sid"]) for message in messages if message["sid"]}
        return known.union(*(sids_in(record["data"]) for record in records))

    async def _conversations(self, customer: Customer) -> set[str]:
        """Also with those of our numbers of which SQL does not know yet."""
        found = set(customer.conversations)
        if customer.number:
            id_key = await self.store.id_key()
            ours = {*self.numbers, *await asyncio.to_thread(self._our_numbers)}
            found |= {conversation_id(id_key, number, customer.number) for number in ours}
        return found

    def _our_numbers(self) -> list[str]:
        with self.database.reading() as connection:
            return listing.choices(connection, "number")

    async def _redact(self, sids: set[str]) -> None:
        if left := await self.redactor.now(sids):
            raise NotAtTwilio(
                f"Twilio still has {len(left)} of {len(sids)} messages, so nothing was deleted"
                " here: try again. Messages that are still on their way cannot be emptied."
            )

    def _delete(
        self, session_id: str, who: str, ends: Mapping[str, int], origin: str, redacted: set[str]
    ) -> Erasure:
        """`ends` are numbers of entries of one Redis, `origin`."""
        with self.database.reading() as connection:
            names = customer_data.customer_of(connection, session_id).ids
        files, left = saving_tests.forget(names, self.project) if self.project else ([], {})
        with self.database.writing() as connection:
            n = origin_number(connection, origin)
            until = {name: of_origin(end, n) for name, end in ends.items()}
            customer = _before(customer_data.customer_of(connection, session_id), until)
            redact_later(connection, self._sids(connection, customer) - redacted)
            customer_data.delete(connection, customer)
            bury(connection, customer)
            told = f"{mask(customer.number)}: {len(customer.sessions)} sessions"
            note(connection, who, "deleted a customer", details=told)
        self.database.purge()
        return Erasure(len(customer.sessions), files, left)


def _before(customer: Customer, until: Mapping[str, int]) -> Customer:
    """Without what the customer has said since Redis forgot them: that is a new beginning."""
    sessions = [
        row
        for row in customer.sessions
        if row["opened_ms"] <= entry_at_ms(until.get(row["conversation"], 0))
    ]
    return replace(customer, sessions=sessions, conversations=until)
