"""What the session log's database knows about consent, for a ledger that Redis has lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import column, create_engine, inspect, select, table
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from connectors.consent import IN, out_state
from connectors.errors import StoreUnavailable
from connectors.session_log import CONSENT
from connectors.settings import ROOT

_RECORDS = table("records", column("id"), column("kind"), column("data"))


class Consent(NamedTuple):
    """`word` is the ledger's; see consent."""

    business: str
    customer: str
    word: str


def last_words(url: str) -> list[Consent]:
    """The last word about every pair of numbers. Blocks; raises StoreUnavailable.

    None where the database has never been made: then nobody has ever opted out.
    """
    where = make_url(url)
    if where.get_backend_name() == "sqlite":
        file = ROOT / (where.database or "")
        if not Path(file).exists():
            return []
        where = where.set(database=str(file))
    try:
        return _read(create_engine(where, poolclass=NullPool))
    except SQLAlchemyError as error:
        # Its message repeats the statement, and may repeat the address.
        raise StoreUnavailable(f"SESSION_LOG_URL: {type(error).__name__}") from None


def _read(engine: Engine) -> list[Consent]:
    if not inspect(engine).has_table(_RECORDS.name):
        return []
    ask = select(_RECORDS.c.data).where(_RECORDS.c.kind == CONSENT).order_by(_RECORDS.c.id)
    last: dict[tuple[str, str], Consent] = {}
    with engine.connect() as connection:
        for (data,) in connection.execute(ask):
            told = json.loads(data)
            word = IN if told["state"] == IN else out_state(told["how"])
            consent = Consent(told["business"], told["customer"], word)
            last[consent[:2]] = consent
    return list(last.values())
