"""Prompts: what a model was sent for an answer, put together again from the session log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from connectors.ids import entry_at_ms
from connectors.prompt_record import whole
from connectors.session_log import MODEL_CALL
from review import tables
from review.errors import NotThere
from review.record import number_named

MOST_LEANT_ON = 1_000  # far more than one ever leans on; a circle of a broken log ends, too

_LOST = "A part of this prompt is not in the session log: Redis lost it before SQL had it."


@dataclass(frozen=True)
class Prompt:
    """`body` is the request as it left, JSON, byte for byte. `rung` is model or fallback."""

    id: str
    at_ms: int
    rung: str
    address: str
    body: str

    @property
    def request(self) -> Mapping[str, Any]:
        """What the body says."""
        read = json.loads(self.body)
        return read if isinstance(read, dict) else {}

    def plain(self) -> dict[str, Any]:
        """As the API gives it."""
        told = {name: getattr(self, name) for name in ("id", "at_ms", "rung", "address", "body")}
        return {**told, "request": self.request}


def prompt(connection: Connection, session_id: str, prompt_id: str) -> Prompt:
    """One prompt of a session's customer. Raises NotThere."""
    table = tables.sessions.c
    conversation = connection.execute(
        sql.select(table.conversation).where(table.id == session_id)
    ).scalar()
    is_number = prompt_id.isascii() and prompt_id.isdigit() and prompt_id.strip("0")
    if conversation is None or not is_number:
        raise NotThere("There is no such prompt, or it was deleted with its session.")
    chain: list[Mapping[str, Any]] = []
    number = int(prompt_id[:20])
    while number and len(chain) < MOST_LEANT_ON:
        chain.append(_call(connection, number, conversation, bool(chain)))
        number = number_named(chain[-1].get("like"), number)
    return _read(prompt_id, chain[0], _pieces(chain))


def of_session(connection: Connection, n: int) -> list[Prompt]:
    """All of a session, in their order; without those of which a part is lost."""
    table = tables.records.c
    query = (
        sql.select(table.id, table.data)
        .where(table.n == n, table.kind == MODEL_CALL)
        .order_by(table.id)
    )
    pieces: dict[int, list[str]] = {0: []}
    found = []
    for row in connection.execute(query).mappings():
        call = json.loads(row["data"])
        like = number_named(call.get("like"), row["id"])
        if like in pieces:
            pieces[row["id"]] = whole(call["body"], pieces[like])
            found.append(_read(str(row["id"]), call, pieces[row["id"]]))
    return found


def _call(connection: Connection, number: int, conversation: str, leant_on: bool) -> Any:
    table = tables.records.c
    query = sql.select(table.data).where(
        table.id == number, table.kind == MODEL_CALL, table.conversation == conversation
    )
    data = connection.execute(query).scalar() if number < 1 << 63 else None
    if data is None:
        gone = "There is no such prompt, or it was deleted with its session."
        raise NotThere(_LOST if leant_on else gone)
    return json.loads(data)


def _pieces(chain: list[Mapping[str, Any]]) -> list[str]:
    pieces: list[str] = []
    for call in reversed(chain):
        pieces = whole(call["body"], pieces)
    return pieces


def _read(prompt_id: str, call: Mapping[str, Any], pieces: list[str]) -> Prompt:
    rung, address = str(call.get("rung") or ""), str(call.get("address") or "")
    return Prompt(prompt_id, entry_at_ms(int(prompt_id)), rung, address, "".join(pieces))
