"""Announcements: what other systems asked to be told, queued in the transaction that made it so."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sql

from review import tables
from review.batch import Batch, Row

EVENTS = (
    "session.opened",
    "session.ended",
    "session.handed_over",
    "customer.opted_out",
    "delivery.failed",
)


def write(batch: Batch) -> None:
    """A delivery for each webhook that wants one of the batch's news."""
    if not batch.news:
        return
    hooks = batch.connection.execute(sql.select(tables.webhooks)).mappings().all()
    rows: list[dict[str, Any]] = [
        {
            "webhook_id": hook["id"],
            "event": event,
            "session": session["id"],
            "body": json.dumps(announced(event, session, at_ms)),
            "due_ms": at_ms,
        }
        for event, session, at_ms in batch.news
        for hook in hooks
        if event in hook["events"].split()
    ]
    if rows:
        batch.connection.execute(tables.webhook_deliveries.insert(), rows)


def announced(event: str, session: Row, at_ms: int) -> dict[str, Any]:
    """The body of a webhook. No numbers and no words of a customer: who may read asks the API."""
    return {
        "event": event,
        "at_ms": at_ms,
        "session": session["id"],
        "conversation": session["conversation"],
        "assistant": session["assistant"],
    }
