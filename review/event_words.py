"""Event words: what stands between the bubbles, a line for each. Pure."""

from __future__ import annotations

from connectors import session_log
from review.record import Record

_WORDS = {
    session_log.OPENED: "The session began",
    session_log.ENDED: "The session ended",
    session_log.TOO_LATE: "A text came too late to be answered in this session",
    session_log.TURN: "Something happened without words",
    session_log.MODEL_CALL: "A model was asked, and its answer was not used",
    session_log.SUMMARY: "What was said before was summed up for the model",
    session_log.HANDOVER_ASKED: "A person was asked for",
    session_log.HANDOVER_TAKEN: "A person took over",
    session_log.HANDOVER_RELEASED: "Back with the assistant",
}


def event_words(record: Record) -> str:
    """One line for what is no bubble; for kinds that are not known here, their own name."""
    data = record.data
    reason = str(data.get("reason") or "")
    if record.kind == session_log.REFUSED:
        by = f" ({data['who']})" if data.get("who") else ""
        said = f" “{data['body']}”" if data.get("body") else ""
        return f"Refused{by}: {reason or 'no reason given'}{said}"
    if record.kind == session_log.CONSENT:
        how = f" ({data['how']})" if data.get("how") else ""
        return f"The customer opted {'out' if data.get('state') == 'out' else 'in again'}{how}"
    words = _WORDS.get(record.kind, record.kind)
    who = data.get("who") or data.get("operator") or data.get("by")
    told = ", ".join(str(part) for part in (who, reason) if part)
    return f"{words}: {told}" if told else words
