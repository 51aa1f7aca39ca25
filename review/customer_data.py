"""Customer data: which tables hold something of a customer, and which of their rows.

One list, walked by the export and by the deletion alike; a test fails when a table is on neither
this list nor that of what is kept, or on both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from connectors.session_log import CONSENT
from review import tables
from review.errors import NotThere

AT_ONCE = 200  # values in one IN (...), and messages' ranges in one question
EVERYTHING = (1 << 63) - 1  # later than every record

Row = dict[str, Any]
_s = tables.sessions.c
_r = tables.records.c


@dataclass(frozen=True)
class Customer:
    """`sessions` with their n and id; `conversations` up to which record each is meant."""

    number: str
    sessions: Sequence[Row]
    conversations: Mapping[str, int]

    @property
    def numbers(self) -> list[int]:
        return [int(row["n"]) for row in self.sessions]

    @property
    def ids(self) -> list[str]:
        return [str(row["id"]) for row in self.sessions]


def customer_of(connection: Connection, session_id: str) -> Customer:
    """The customer of this session, with all their sessions with all our numbers.

    Raises NotThere.
    """
    this = connection.execute(
        sql.select(_s.customer, _s.conversation).where(_s.id == session_id)
    ).first()
    if this is None:
        raise NotThere("There is no such session, or it was deleted.")
    # A conversation in `rasa shell` has no number.
    same = _s.customer == this.customer if this.customer else _s.conversation == this.conversation
    query = sql.select(_s.n, _s.id, _s.conversation, _s.opened_ms).where(same).order_by(_s.n)
    sessions = [dict(row) for row in connection.execute(query).mappings()]
    conversations = dict.fromkeys((str(row["conversation"]) for row in sessions), EVERYTHING)
    return Customer(str(this.customer), sessions, conversations)


def rows(connection: Connection, table: sql.Table, customer: Customer) -> list[Row]:
    """What a table holds of a customer, as it stands there."""
    return [
        dict(row)
        for condition in _conditions(table, customer)
        for row in connection.execute(sql.select(table).where(condition)).mappings()
    ]


def delete(connection: Connection, customer: Customer) -> None:
    """All of it. What they said about wanting texts stays, as nobody's."""
    for table in HELD:
        for condition in _conditions(table, customer):
            connection.execute(table.delete().where(condition))
    _keep_consent(connection, customer.numbers)


def delete_sessions(connection: Connection, numbers: Sequence[int]) -> None:
    """With all that was said in them and about them. Figures of days stay, and so do opt-outs:
    they outlive the session, and Redis learns them from here when it lost them."""
    for table in OF_SESSIONS:
        for condition in _of_sessions(table, numbers):
            connection.execute(table.delete().where(condition))
    _keep_consent(connection, numbers)


def _keep_consent(connection: Connection, numbers: Sequence[int]) -> None:
    for some in _chunks(numbers):
        theirs = tables.records.update().where(_r.n.in_(some), _r.kind == CONSENT)
        connection.execute(theirs.values(n=0, session=""))


def _conditions(table: sql.Table, customer: Customer) -> Iterator[Any]:
    if table in OF_SESSIONS:
        yield from _of_sessions(table, customer.numbers)
    if table in OF_CUSTOMERS:
        yield from OF_CUSTOMERS[table](customer)


def _of_sessions(table: sql.Table, numbers: Sequence[int]) -> Iterator[Any]:
    for some in _chunks(numbers):
        if table is tables.messages:
            yield sql.or_(*(_messages_of(n) for n in some))
        elif table is tables.records:
            yield sql.and_(_r.n.in_(some), _r.kind != CONSENT)
        else:
            yield table.c.n.in_(some)


def _messages_of(n: int) -> Any:
    first = n * tables.MESSAGES_OF_A_SESSION
    ids = tables.messages.c.id
    return sql.and_(ids >= first, ids < first + tables.MESSAGES_OF_A_SESSION)


def _strays(customer: Customer) -> Iterator[Any]:
    """What was said outside any session."""
    for conversation, until in customer.conversations.items():
        said = sql.and_(_r.conversation == conversation, _r.id <= until)
        yield sql.and_(_r.n == 0, _r.kind != CONSENT, said)


def _unread(customer: Customer) -> Iterator[Any]:
    """Entries that could not be read: whoever they name, they may be about them."""
    for word in {*customer.conversations, customer.number} - {""}:
        yield tables.set_aside.c.entry.contains(word, autoescape=True)


def _told(customer: Customer) -> Iterator[Any]:
    for some in _chunks(customer.ids):
        yield tables.webhook_deliveries.c.session.in_(some)


# Sessions come last: by them the rest is found, when it has to be done again.
OF_SESSIONS = (
    *(tables.records, tables.messages, tables.facets, tables.notes, tables.reviews),
    tables.sessions,
)
OF_CUSTOMERS: Mapping[sql.Table, Callable[[Customer], Iterator[Any]]] = {
    tables.records: _strays,
    tables.set_aside: _unread,
    tables.webhook_deliveries: _told,
}
HELD = (tables.set_aside, tables.webhook_deliveries, *OF_SESSIONS)
# And why the others hold nothing of a customer. `consents`, which Rasa's process makes and writes,
# stays as well: who opted out must not be texted by mistake.
KEPT: Mapping[sql.Table, str] = {
    tables.figures: "counts of a day",
    tables.tags: "names that reviewers gave",
    tables.users: "our own people",
    tables.signins: "our own people",
    tables.failed_signins: "our own people, or who tried to be",
    tables.tokens: "our own programs",
    tables.audit: "what our own people did, by the opaque id of a session",
    tables.saved_views: "our own people's",
    tables.webhooks: "other systems",
    tables.options: "our own settings",
    tables.origins: "which Redis there were, by a one-way hash",
    tables.installation: "the identity of the database",
    tables.erased: "opaque ids of what was deleted",
    tables.redactions: "Twilio's names of messages, until they are empty there",
}


def _chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (values[start : start + AT_ONCE] for start in range(0, len(values), AT_ONCE))
