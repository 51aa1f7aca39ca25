"""The session log: what happened, as records on a Redis stream that the review app takes into SQL.

Records are written by the same atomic steps that do what they tell (lua/), so the log cannot
disagree with what happened. An entry's id is Redis' own time in milliseconds and a counter: when it
happened, its place in the order, and its key. Whoever takes entries into a database removes them
from the stream afterwards; nobody else does.

An entry's fields: `kind`, `conversation` (opaque, see ids), `session` ("" when there is none),
`data` (a JSON object).

    kind            data
    session.opened  business, customer: the numbers; "" for a session in `rasa shell` or over REST
    session.ended   reason: inactivity, opted_out, deleted, customer_texted (it was opened over REST
                    or in `rasa shell`); at_ms: when it ended, milliseconds since 1970
    text            sid, business, customer, body, media, opt_out_type: accepted (see wire)
    text.too_late   sid: its session (that of the entry) ended before it was answered
    turn            texts: the SIDs it answers, [] for words that answer none (of a reminder, an
                    operator) and outside SMS; events: what it added to the tracker, as Rasa
                    writes them, [] for STOP, START, HELP and the notices of a limit; parts: id,
                    body, segments, encoding; assistant: its id, "" where none had a part in it;
                    tries; seconds since the first of the texts; failed: why it only got the plain
                    sentence, or ""
    model.call      what was sent to a model: rung (model, fallback), address; like: an earlier
                    entry of the session, or ""; body: JSON in pieces, see prompt_record. The
                    metadata of the answer's event names it
    summary         text: what the model reads instead of the oldest part of the session from now
                    on; lines: how much went into it; attempts: what the model took
    handover.asked  reason; asked_by: model, customer: a person is waited for
    handover.taken  operator: answers instead of the assistant from now on
    handover.released  operator ("" for the time limit), reason: the assistant is back
    part.sent       part, sid, status: Twilio has it
    part.dropped    part, reason, code: it will never be sent
    part.apology    part, body, segments, encoding; instead_of: the parts that came too late, for
                    which it stands and which will never be sent
    refused         route (text, sender, reminder, an address of the API, ...), who, reason, do;
                    what was refused: part and body, or the text with its fields as above
    consent         business, customer, state ("out" or "in"), how (keyword, wording, twilio, model,
                    21610, operator), sid of the text or ""
    part.status     part ("" if unknown), sid, status, error_code: a delivery report with news
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from connectors import keys
from connectors.store import Store, unavailable_is_named

OPENED = "session.opened"
ENDED = "session.ended"
TEXT = "text"
TURN = "turn"
MODEL_CALL = "model.call"
SUMMARY = "summary"
TOO_LATE = "text.too_late"
HANDOVER_ASKED = "handover.asked"
HANDOVER_TAKEN = "handover.taken"
HANDOVER_RELEASED = "handover.released"
SENT = "part.sent"
DROPPED = "part.dropped"
APOLOGY = "part.apology"
STATUS = "part.status"
REFUSED = "refused"
CONSENT = "consent"


class SessionLog:
    """Writes the records of what happens outside the atomic steps."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def write(
        self, kind: str, data: Mapping[str, Any], *, conversation: str = "", session: str = ""
    ) -> str:
        """Append one record; its id. Raises StoreUnavailable."""
        fields = {
            "kind": kind,
            "conversation": conversation,
            "session": session,
            "data": json.dumps(data),
        }
        with unavailable_is_named():
            return str(await self.store.client.xadd(keys.LOG, fields))
