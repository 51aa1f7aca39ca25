"""Tables: what the session log keeps. The migrations make them; a test holds the two together.

Times are milliseconds since 1970. Money is in millionths of the currency of prices.yml.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()

# SQLite keeps rows in the order of a key that is exactly an INTEGER.
Number = BigInteger().with_variant(Integer(), "sqlite")

# How many messages a session can have: their numbers are below it in a message's id.
MESSAGES_OF_A_SESSION = 1 << 20


def number(name: str, *, default: int = 0) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=str(default))


def words(name: str, *, default: str = "") -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


_REFUSED = text("kind = 'refused'")

# Every Redis that the log was ever taken from, by a one-way hash of its id key, see origins.
origins = Table(
    "origins",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
    Column("first_seen_ms", BigInteger, nullable=False),
)

# Made by Rasa's process, too, see connectors.database_identity.
installation = Table(
    "installation",
    metadata,
    Column("one", Integer, CheckConstraint("one = 1"), primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False),
)

# What the stream said, whole, in its order. The id is the entry's: milliseconds and counter in one
# number, see ids.entry_number and of_origin. `n` is the session it belongs to, 0 when to none.
records = Table(
    "records",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    words("conversation"),
    words("session"),
    number("n"),
    Column("data", Text, nullable=False),
    Index("records_of_session", "n", "id"),
    Index("records_refused", "id", sqlite_where=_REFUSED, postgresql_where=_REFUSED),
)

# Entries that could not be read as what they say they are.
set_aside = Table(
    "set_aside",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=False),
    Column("why", Text, nullable=False),
    Column("entry", Text, nullable=False),
)

# `n` counts sessions in the order in which they were opened, so the list can be read backwards.
sessions = Table(
    "sessions",
    metadata,
    Column("n", Number, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("conversation", Text, nullable=False),
    words("business"),
    words("customer"),
    words("assistant"),
    Column("opened_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    number("ended_ms"),
    number("texts"),  # from the customer
    number("replies"),  # messages to the customer
    number("turns"),
    number("segments"),
    number("tokens"),
    number("cost"),
    number("slowest_ms"),
    Column("least_confidence", Float),
    number("refused"),
    number("undelivered"),
    number("fallbacks"),
    words("handover"),  # "", "waiting" or "held"
    words("holder"),
    Column("opted_out", Boolean, nullable=False, server_default="0"),
    words("review", default="unread"),  # or "reviewed", "saved"
    number("flags"),
    number("rating"),
    Index("sessions_of_conversation", "conversation", "n"),
    Index("sessions_of_customer", "customer", "n"),
    Index("sessions_by_last", "last_ms", "n"),
    Index("sessions_by_opened", "opened_ms", "n"),
    Index("sessions_by_texts", "texts", "n"),
    Index("sessions_by_cost", "cost", "n"),
    Index("sessions_by_slowest", "slowest_ms", "n"),
    Index("sessions_by_confidence", "least_confidence", "n"),
)

# One row for each bubble. The id is the session's n and the message's number in it, so a session's
# messages lie together and the newest session's come first when read backwards.
messages = Table(
    "messages",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=False),
    Column("n", BigInteger, nullable=False),
    Column("record", BigInteger, nullable=False),  # the text's, or the turn's that said it
    Column("at_ms", BigInteger, nullable=False),
    Column("author", Text, nullable=False),  # customer, assistant, operator or system
    Column("ref", Text, nullable=False, unique=True),  # Twilio's SID of a text, our id of a part
    words("sid"),
    words("body"),
    number("media"),
    number("segments"),
    words("encoding"),
    number("cost"),
    words("status"),
    words("error_code"),
    Index("messages_by_sid", "sid"),
)

# What a session can be found by: "intent:greet", "error:30034", "tag:7", "state:flagged"...
facets = Table(
    "facets",
    metadata,
    Column("key", Text, primary_key=True),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Index("facets_of_session", "n"),
    sqlite_with_rowid=False,
)

# Counts of a day (UTC, "2026-11-23"). Answer times are counted in buckets, see figures.
figures = Table(
    "figures",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("business", Text, primary_key=True),
    Column("assistant", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    number("value"),
    sqlite_with_rowid=False,
)

# What people say about a session or one of its messages (`message` 0: the whole session). Taken
# back, it stays with the time of that.
notes = Table(
    "notes",
    metadata,
    Column("id", Number, primary_key=True),
    Column("n", BigInteger, nullable=False),
    number("message"),
    Column("kind", Text, nullable=False),  # flag, comment, rating, ideal, intent
    words("value"),
    Column("author", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    number("removed_ms"),
    words("removed_by"),
    Index("notes_of_session", "n", "id"),
)

# Every change of a review status; the newest one that was not undone counts.
reviews = Table(
    "reviews",
    metadata,
    Column("id", Number, primary_key=True),
    Column("n", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    number("undone_ms"),
    Index("reviews_of_session", "n", "id"),
)

tags = Table(
    "tags",
    metadata,
    Column("id", Number, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    words("colour"),
)

users = Table(
    "users",
    metadata,
    Column("id", Number, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("password", Text, nullable=False),  # argon2
    Column("role", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    number("disabled_ms"),
)

# Secrets are kept as their SHA-256: they are long and random, so nothing slower is needed.
signins = Table(
    "signins",
    metadata,
    Column("secret", Text, primary_key=True),
    Column("user_id", Number, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
    Index("signins_of_user", "user_id"),
)

failed_signins = Table(
    "failed_signins",
    metadata,
    Column("id", Number, primary_key=True),
    Column("who", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Index("failed_signins_of", "who", "at_ms"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Number, primary_key=True),
    Column("name", Text, nullable=False),
    Column("secret", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    number("used_ms"),
    number("revoked_ms"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Number, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    words("session"),
    words("details"),
)

saved_views = Table(
    "saved_views",
    metadata,
    Column("id", Number, primary_key=True),
    Column("name", Text, nullable=False),
    Column("query", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("shared", Boolean, nullable=False, server_default="0"),
    Column("created_ms", BigInteger, nullable=False),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Number, primary_key=True),
    Column("url", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("events", Text, nullable=False),  # their names, separated by blanks
    Column("author", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", Number, primary_key=True),
    Column("webhook_id", Number, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("event", Text, nullable=False),
    words("session"),
    Column("body", Text, nullable=False),
    number("tries"),
    Column("due_ms", BigInteger, nullable=False),
    number("claimed_ms"),  # until then a process is telling it
    number("done_ms"),
    words("trouble"),
    Index("webhook_deliveries_due", "done_ms", "due_ms"),
    Index("webhook_deliveries_of", "webhook_id"),
    Index("webhook_deliveries_of_session", "session"),
)

# What was deleted, by the opaque id of a conversation or session: of a conversation all records up
# to that of `until`, of a session all. They may still be on the stream, or in a taker's hand.
erased = Table(
    "erased",
    metadata,
    Column("name", Text, primary_key=True),
    Column("until", BigInteger, nullable=False),
)

# Messages of deleted customers that became known, or left Twilio's hands, only after the deletion.
redactions = Table(
    "redactions",
    metadata,
    Column("sid", Text, primary_key=True),
    number("tries"),
    Column("due_ms", BigInteger, nullable=False),
)

# Small things that are set here and not in the environment, such as how long sessions are kept.
options = Table(
    "options",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
