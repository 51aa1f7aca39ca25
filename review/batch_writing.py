"""Batch writing: what became of a batch, back into the tables."""

from __future__ import annotations

import sqlalchemy as sql

from connectors.session_log import MODEL_CALL
from review import tables
from review.batch import Batch
from review.database import insert_new
from review.redaction import redact_later

# The columns of a session that records change; the others are set once, or by people.
CHANGING = (
    *("business", "customer", "assistant", "last_ms", "ended_ms", "texts", "replies", "turns"),
    *("segments", "tokens", "cost", "slowest_ms", "least_confidence", "refused", "undelivered"),
    *("fallbacks", "handover", "holder", "opted_out"),
)


def flush(batch: Batch) -> None:
    insert = batch.connection.execute
    for rows, table in ((batch.records, tables.records), (batch.aside, tables.set_aside)):
        if rows:
            insert(table.insert(), rows)
    if new := [batch.sessions[name] for name in batch.new_sessions]:
        insert(tables.sessions.insert(), sorted(new, key=lambda row: int(row["n"])))
    if fresh := [batch.messages[ref] for ref in batch.new_messages]:
        insert(tables.messages.insert(), sorted(fresh, key=lambda row: int(row["id"])))
    _adopt_calls(batch)
    _update_sessions(batch)
    _update_messages(batch)
    _flush_facets(batch)
    _flush_figures(batch)
    redact_later(batch.connection, batch.redactions)


def _adopt_calls(batch: Batch) -> None:
    table = tables.records
    for session in batch.adopting:
        batch.connection.execute(
            table.update()
            .where(table.c.n == 0, table.c.kind == MODEL_CALL)
            .where(table.c.conversation == session["conversation"])
            .values(n=session["n"], session=session["id"])
        )


def _update_sessions(batch: Batch) -> None:
    names = batch.changed - batch.new_sessions
    if names:
        batch.connection.execute(
            tables.sessions.update()
            .where(tables.sessions.c.n == sql.bindparam("this"))
            .values({name: sql.bindparam("to_" + name) for name in CHANGING}),
            [
                {
                    "this": batch.sessions[name]["n"],
                    **{"to_" + c: batch.sessions[name][c] for c in CHANGING},
                }
                for name in sorted(names)
            ],
        )


def _update_messages(batch: Batch) -> None:
    if refs := batch.changed_messages - batch.new_messages:
        batch.connection.execute(
            tables.messages.update()
            .where(tables.messages.c.id == sql.bindparam("this"))
            .values(
                {name: sql.bindparam("to_" + name) for name in ("sid", "status", "error_code")}
            ),
            [
                {
                    "this": batch.messages[ref]["id"],
                    "to_sid": batch.messages[ref]["sid"],
                    "to_status": batch.messages[ref]["status"],
                    "to_error_code": batch.messages[ref]["error_code"],
                }
                for ref in sorted(refs)
            ],
        )


def _flush_facets(batch: Batch) -> None:
    facet = tables.facets.c
    for key, n in batch.gone:
        batch.connection.execute(tables.facets.delete().where(facet.key == key, facet.n == n))
    if batch.facets:
        batch.connection.execute(
            insert_new(batch.connection, tables.facets),
            [{"key": key, "n": n} for key, n in sorted(batch.facets)],
        )


def _flush_figures(batch: Batch) -> None:
    if not batch.figures:
        return
    names = ("day", "business", "assistant", "name")
    rows = [{**dict(zip(names, key, strict=True)), "value": 0} for key in batch.figures]
    batch.connection.execute(insert_new(batch.connection, tables.figures), rows)
    table = tables.figures.c
    batch.connection.execute(
        tables.figures.update()
        .where(*(table[name] == sql.bindparam("of_" + name) for name in names))
        .values(value=table.value + sql.bindparam("more")),
        [
            {**{"of_" + name: part for name, part in zip(names, key, strict=True)}, "more": n}
            for key, n in sorted(batch.figures.items())
        ],
    )
