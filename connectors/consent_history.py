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
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import column, create_engine, event, inspect, select, table, text
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.engine.url import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from connectors.consent import IN, out_state
from connectors.errors import StoreUnavailable
from connectors.ids import entry_at_ms, first_entry_number
from connectors.session_log import CONSENT
from connectors.settings import ROOT

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

# A database that hangs holds up a thread, never a customer; but the process cannot end meanwhile.
WAIT_SECONDS = 10
_POSTGRESQL = {
    "connect_timeout": WAIT_SECONDS,
    "options": f"-c statement_timeout={WAIT_SECONDS * 1000}",
    "tcp_user_timeout": WAIT_SECONDS * 1000,
}


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
        self.url = make_url(url)
        if self.url.get_backend_name() == "sqlite":
            self.url = self.url.set(database=str(ROOT / (self.url.database or "")))

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
        with _failures_named(), _begun(self.url) as connection:
            if not inspect(connection).has_table(_CONSENTS.name):
                connection.execute(_MAKE)
            connection.execute(_ADD, [change._asdict() for change in changes])

    def _words_since(
        self, entry: int, tables: Iterable[str] = (_RECORDS.name, _CONSENTS.name)
    ) -> list[Consent]:
        file = _file(self.url)
        if file and not file.exists():
            return []
        with _failures_named(), _open(self.url).connect() as connection:
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


def _file(url: URL) -> Path | None:
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


@contextmanager
def _begun(url: URL) -> Iterator[Connection]:
    """A transaction, also in a file that is not there yet."""
    if file := _file(url):
        file.parent.mkdir(parents=True, exist_ok=True)
    with _open(url).begin() as connection:
        yield connection


def _open(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, poolclass=NullPool, connect_args=_POSTGRESQL)
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": WAIT_SECONDS})
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: Any, _: Any) -> None:
    # As the review app has it: readers and writer do not wait for each other.
    connection.execute("PRAGMA journal_mode = WAL")


@contextmanager
def _failures_named() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        # Its message repeats the statement, and may repeat the address.
        raise StoreUnavailable(f"SESSION_LOG_URL: {type(error).__name__}") from None
    except OSError as error:
        raise StoreUnavailable(f"SESSION_LOG_URL: {error.strerror}") from None
    except ValueError as error:
        # Better to send nothing than to pass over somebody who opted out.
        raise StoreUnavailable(f"the session log's database has {error}") from None
