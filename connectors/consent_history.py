"""What the session log's database knows about consent, for a ledger that Redis has lost.

Two tables tell it. `records` has what the review app took from the session log. `consents` has
every change of consent within a second or so, also while the review app is down: Rasa's own process
writes it (see consent_writer), and makes it where it is not there yet. A change that stands in both
is one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import column, inspect, select, table, text
from sqlalchemy.engine import Connection

from connectors.consent import IN, out_state
from connectors.errors import StoreUnavailable
from connectors.ids import entry_at_ms, first_entry_number
from connectors.session_log import CONSENT
from connectors.sql_connection import begun, connected, file_of, located, make_in_turn

_RECORDS = table("records", column("id"), column("kind"), column("data"))
_CONSENTS = table(
    "consents",
    *(column(name) for name in ("entry", "business", "customer", "state", "how")),
)
# The number of the entry in the session log, see ids; then as in its record.
_MAKE = text(
    "CREATE TABLE IF NOT EXISTS consents (entry BIGINT PRIMARY KEY, business TEXT NOT NULL,"
    " customer TEXT NOT NULL, state TEXT NOT NULL, how TEXT NOT NULL)"
)
_ADD = text(
    "INSERT INTO consents (entry, business, customer, state, how)"
    " VALUES (:entry, :business, :customer, :state, :how) ON CONFLICT (entry) DO NOTHING"
)


class Consent(NamedTuple):
    """`word` is the ledger's, see consent; it is so since `at_ms`, milliseconds since 1970."""

    business: str
    customer: str
    word: str
    at_ms: int = 0


class Change(NamedTuple):
    """One change, as the session log has it; `entry` is the number of its entry there."""

    entry: int
    business: str
    customer: str
    state: str
    how: str

    @classmethod
    def read(cls, entry: int, data: str) -> Change:
        """Raises ValueError."""
        told = json.loads(data)
        try:
            return cls(entry, *(str(told[name]) for name in cls._fields[1:]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"a change of consent without {error}") from None

    @property
    def word(self) -> str:
        return IN if self.state == IN else out_state(self.how)


class ConsentHistory:
    """The database at `url`. Everything here blocks, and raises StoreUnavailable."""

    def __init__(self, url: str) -> None:
        self.url = located(url)

    def last_words(self) -> list[Consent]:
        """The last word about every pair of numbers.

        None where the database has never been made: then nobody has ever opted out.
        """
        return self._words_since(0)

    def words_since(self, at_ms: int) -> list[Consent]:
        """The last words of those who changed their mind since then, as `consents` has them."""
        return self._words_since(first_entry_number(at_ms), tables=(_CONSENTS.name,))

    def add(self, changes: Sequence[Change]) -> None:
        """Keep changes; those that are known already are passed over."""
        with begun(self.url) as connection:
            if not inspect(connection).has_table(_CONSENTS.name):
                make_in_turn(connection)
                connection.execute(_MAKE)
            connection.execute(_ADD, [change._asdict() for change in changes])

    def _words_since(
        self, entry: int, tables: Iterable[str] = (_RECORDS.name, _CONSENTS.name)
    ) -> list[Consent]:
        file = file_of(self.url)
        if file and not file.exists():
            return []
        with _nonsense_named(), connected(self.url) as connection:
            there = [name for name in tables if inspect(connection).has_table(name)]
            told = [change for name in there for change in _READERS[name](connection, entry)]
        last: dict[tuple[str, str], Consent] = {}
        for change in sorted(told):
            consent = Consent(*change[1:3], change.word, entry_at_ms(change.entry))
            last[consent[:2]] = consent
        return list(last.values())


def _from_records(connection: Connection, since: int) -> list[Change]:
    asked = (_RECORDS.c.kind == CONSENT) & (_RECORDS.c.id >= since)
    found = connection.execute(select(_RECORDS.c.id, _RECORDS.c.data).where(asked))
    return [Change.read(entry, data) for entry, data in found]


def _from_consents(connection: Connection, since: int) -> list[Change]:
    found = connection.execute(select(_CONSENTS).where(_CONSENTS.c.entry >= since))
    return [Change(*row) for row in found]


_READERS = {_RECORDS.name: _from_records, _CONSENTS.name: _from_consents}


@contextmanager
def _nonsense_named() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        # Better to send nothing than to pass over somebody who opted out.
        raise StoreUnavailable(f"the session log's database has {error}") from None
