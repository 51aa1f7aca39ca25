"""The session log at a million messages: how fast it fills, and how long its pages take.

    .venv/bin/python -m bench.session_log [--messages 1000000] [--database URL] [--keep FILE]

Without --database it measures SQLite in a file of its own. The records are those that the
connectors write, taken over by the review app's own taker; only Redis is left out.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from connectors.session_log import OPENED, SENT, STATUS, TEXT, TURN
from connectors.store import Store
from review import figures, listing, reading, tables
from review.database import Database
from review.filters import Filter
from review.lengths import Lengths
from review.origins import origin_name
from review.prices import Prices
from review.projection import Projection
from review.taker import Entry, Taker

DAYS = 365
BATCH = 2_000
TIMES = 15
LENGTHS = Lengths(86_400_000)
LIMIT_MS = 200

# Frequent, as in any business, down to a word that one customer wrote once.
WORDS = (
    *("bike", "when", "open", "price", "repair", "tomorrow", "thanks", "chain", "brake", "wheel"),
    *("light", "helmet", "appointment", "saturday", "invoice", "puncture", "gear", "saddle"),
)
QUESTIONS: dict[str, dict[str, str]] = {
    "the list, first page": {},
    "failed delivery": {"state": "failed"},
    "live": {"state": "live"},
    "unread, by cost": {"review": "unread", "sort": "cost"},
    "an intent that most have": {"intent": "nlu_fallback"},
    "an intent that few have": {"intent": "complain"},
    "an error, and a slot": {"error": "30007", "slot": "bike"},
    "a week, at night": {"since": "2025-03-01", "until": "2025-03-07", "after": "22:00"},
    "long ones, by the slowest answer": {"shortest": "12", "sort": "slowest"},
    "unsure, oldest first": {"most": "0.55", "sort": "opened", "order": "up"},
    "a number's, by messages": {"number": "+15550100002", "sort": "messages"},
    "the last digits of a customer": {"ends": "1234"},
    "words: one that many wrote": {"q": "bike"},
    "words: two that many wrote": {"q": "bike tomorrow"},
    "words: one that few wrote": {"q": "penny-farthing"},
    "words: one that nobody wrote": {"q": "xylophone"},
    "words that many wrote, and an error": {"q": "repair", "error": "30034"},
    "words that few wrote, in failed ones": {"q": "penny-farthing", "state": "failed"},
}


def entries(messages: int, seed: int = 1) -> Iterator[Entry]:
    """The stream of a year: sessions of a few to a few dozen messages, one after the other."""
    chance = random.Random(seed)  # noqa: S311
    start = 1_735_689_600_000  # 2025-01-01
    said, number = 0, 0
    step = DAYS * 86_400_000 / (messages / 8)
    while said < messages:
        turns = min(1 + int(chance.expovariate(0.33)), 40)
        yield from _session(chance, number, int(start + number * step), turns)
        said += 2 * turns
        number += 1


def _session(chance: random.Random, number: int, at: int, turns: int) -> Iterator[Entry]:
    conversation, session = f"{number % 40_000:032x}", f"S{number:025d}"
    business = "+15550100002" if number % 7 == 0 else "+15550100001"
    customer = f"+1555{number % 40_000:07d}"
    own = {"conversation": conversation, "session": session}
    numbers = {"business": business, "customer": customer}

    def entry(kind: str, data: dict[str, Any], after: int) -> Entry:
        return f"{at + after}-{number % 1000}", {"kind": kind, **own, "data": json.dumps(data)}

    yield entry(OPENED, numbers, 0)
    for turn in range(turns):
        later = 1 + turn * 60_000
        sid, part = f"SM{number:024x}{turn:08x}", f"{conversation}.{session}.{turn}"
        report = {"part": part, "sid": f"SM{number:024x}{turn + 10**6:08x}"}
        failed = chance.random() < 0.004
        yield entry(TEXT, {"sid": sid, **numbers, "body": _words(chance), "media": 0}, later)
        yield entry(TURN, _turn(chance, sid, part), later + 1500)
        yield entry(SENT, {**report, "status": "queued"}, later + 1700)
        status = {"status": "undelivered" if failed else "delivered"}
        code = chance.choice(["30003", "30007", "30034"]) if failed else ""
        yield entry(STATUS, {**report, **status, "error_code": code}, later + 4000)


def _words(chance: random.Random) -> str:
    words = [WORDS[min(int(chance.expovariate(0.25)), 17)] for _ in range(chance.randint(3, 14))]
    if chance.random() < 0.0002:
        words.append("penny-farthing")
    return " ".join([*words, f"w{chance.randrange(50_000)}"])


def _turn(chance: random.Random, sid: str, part: str) -> dict[str, Any]:
    answer = _words(chance) + "."
    intent = "complain" if chance.random() < 0.001 else "nlu_fallback"
    parsed = {"intent": {"name": intent, "confidence": 0.5 + chance.random() / 2}, "entities": []}
    told = {
        **{"outcome": "answered", "model": "small", "latency_ms": chance.randint(400, 4000)},
        **{"prompt_tokens": chance.randint(100, 900), "completion_tokens": 30},
    }
    slot = {"event": "slot", "name": "bike", "value": chance.choice(WORDS)}
    return {
        "texts": [sid],
        "assistant": "default",
        "events": [
            {"event": "user", "text": "said", "parse_data": parsed, "metadata": {}},
            *([slot] if chance.random() < 0.1 else []),
            {"event": "action", "name": "action_llm_reply", "policy": "LlmPolicy"},
            {"event": "bot", "text": answer, "metadata": told},
            {"event": "action", "name": "action_listen"},
        ],
        "parts": [{"id": part, "body": answer, "encoding": "GSM-7", "units": 60, "segments": 1}],
        **{"tries": 1, "seconds": round(chance.uniform(0.5, 6.0), 3), "failed": ""},
    }


def fill(database: Database, messages: int) -> None:
    """Takes records over until there are so many messages."""
    taker = Taker(cast(Store, None), database, Projection(Prices("USD", 0.01, 0.01, {})))
    stream, began, taken = entries(messages), time.monotonic(), 0
    while batch := list(islice(stream, BATCH)):
        taker.take(batch, origin_name("bench"))
        taken += len(batch)
        if taken % (BATCH * 50) == 0:
            rate = taken / (time.monotonic() - began)
            print(f"  {taken:,} records, {rate:,.0f} a second", file=sys.stderr, flush=True)
    if not database.is_sqlite:
        with database.writing() as connection:
            connection.exec_driver_sql("ANALYZE")  # as PostgreSQL does by itself after a minute
    print(f"filled: {taken:,} records in {time.monotonic() - began:,.0f} s", flush=True)


def timed(ask: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds: the median and the slowest of several times."""
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        ask()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took), max(took)


def measure(database: Database) -> bool:
    """Prints the table; True if nothing took longer than it may."""
    worst = 0.0
    with database.reading() as connection:
        count = sql.select(sql.func.count())
        messages = connection.execute(count.select_from(tables.messages)).scalar_one()
        sessions = connection.execute(count.select_from(tables.sessions)).scalar_one()
        print(f"\n{messages:,} messages in {sessions:,} sessions, {database.engine.dialect.name}")
        print(f"\n| {'question':38} | found | median ms | slowest ms |\n|{'-' * 40}|---|---|---|")
        for name, query in QUESTIONS.items():
            wanted = Filter.read(query)
            page = listing.page(connection, wanted, lengths=LENGTHS)
            found = f"{page.count:,}{'+' if page.count >= listing.MOST_COUNTED else ''}"
            worst = max(worst, _line(name, found, partial(_page, connection, wanted)))
        worst = max(worst, _line("the 200th page", "", _deep(connection)))
        worst = max(worst, _line("one session", "", _one(connection)))
        worst = max(worst, _line("the numbers of 30 days", "", partial(_month, connection)))
    print(f"\nslowest of all: {worst:,.0f} ms (at most {LIMIT_MS})")
    return worst <= LIMIT_MS


def _line(name: str, found: str, ask: Callable[[], object]) -> float:
    median, slowest = timed(ask)
    print(f"| {name:38} | {found:>6} | {median:6.1f} | {slowest:6.1f} |", flush=True)
    return slowest


def _page(connection: Connection, wanted: Filter, cursor: str = "") -> listing.Page:
    return listing.page(connection, wanted, cursor, lengths=LENGTHS)


def _deep(connection: Connection) -> Callable[[], object]:
    cursor = ""
    for _ in range(199):
        cursor = _page(connection, Filter(), cursor).older or cursor
    return lambda: _page(connection, Filter(), cursor)


def _one(connection: Connection) -> Callable[[], object]:
    table = tables.sessions.c
    long = sql.select(table.id).order_by(table.texts.desc()).limit(1)
    session = str(connection.execute(long).scalar_one())
    return lambda: reading.session(connection, session, Prices("USD", 0, 0, {}), LENGTHS)


def _month(connection: Connection) -> object:
    return figures.figures(connection, date(2025, 6, 1), date(2025, 6, 30))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.session_log", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--database", default="")
    parser.add_argument("--keep", type=Path, help="a SQLite file to fill once and measure again")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = (given.keep or Path(folder) / "session_log.db").absolute()
        database = Database.at(given.database or f"sqlite:///{file}")
        database.migrate()
        with database.reading() as connection:
            is_empty = not connection.execute(sql.select(tables.records.c.id).limit(1)).first()
        if is_empty:
            fill(database, given.messages)
        good = measure(database)
        database.close()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
