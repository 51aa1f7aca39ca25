"""Projection: what each kind of record does to the tables that people search and count in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from connectors import session_log
from connectors.segments import count as count_segments
from review.batch import Batch, Row, kept
from review.figures import bucket
from review.prices import Prices
from review.record import Record, clean
from review.refusals import PREFIX, business_of
from review.turn_facts import TurnFacts, mapping, turn_facts, whole

FAILED = ("undelivered", "failed")


class Projection:
    """Applies records to a batch, one after the other, in the order of the stream."""

    def __init__(self, prices: Prices) -> None:
        self.prices = prices
        self._kinds: Mapping[str, Callable[[Batch, Record, Row], None]] = {
            session_log.OPENED: self.opened,
            session_log.TEXT: self.text,
            session_log.TURN: self.turn,
            session_log.SENT: self.sent,
            session_log.DROPPED: self.dropped,
            session_log.STATUS: self.status,
            session_log.APOLOGY: self.apology,
            session_log.ENDED: self.ended,
            session_log.REFUSED: self.refused,
            session_log.CONSENT: self.consent,
            session_log.HANDOVER_ASKED: self.asked,
            session_log.HANDOVER_TAKEN: self.taken,
            session_log.HANDOVER_RELEASED: self.released,
        }

    def apply(self, batch: Batch, record: Record) -> None:
        """Kinds that are not known here are kept, and shown as they are."""
        session = batch.session(record)
        batch.records.append(kept(record, session))
        if record.kind == session_log.REFUSED:
            self._count_refused(batch, record, session)
        if session and (do := self._kinds.get(record.kind)):
            do(batch, record, session)

    def opened(self, batch: Batch, record: Record, session: Row) -> None:
        for name in ("business", "customer", "assistant"):
            session[name] = clean(record.data.get(name) or session[name])
        if session["business"] and not session["assistant"]:
            session["assistant"] = batch.assistant_of(session["business"])
        if not session["customer"]:
            batch.adopt_calls(session)
        batch.change(session)
        batch.facet(session, f"number:{session['business']}", f"ends:{session['customer'][-4:]}")
        batch.count(session, record.at_ms, "sessions")
        batch.news.append(("session.opened", session, record.at_ms))

    def text(self, batch: Batch, record: Record, session: Row) -> None:
        body = clean(record.data.get("body") or "")
        size = count_segments(body)
        media = whole(record.data.get("media"))
        said = batch.say(
            session,
            record,
            clean(record.data.get("sid") or record.id),
            author="customer",
            sid=clean(record.data.get("sid") or ""),
            body=body,
            media=media,
            segments=size.segments,
            encoding=size.encoding,
            cost=self.prices.of_segments(coming_in=size.segments),
        )
        if said:
            self._alive(batch, session, record)
            batch.count(session, record.at_ms, "texts")
            self._cost(batch, session, record, said)

    def turn(self, batch: Batch, record: Record, session: Row) -> None:
        data = record.data
        events = data.get("events")
        facts = turn_facts(events if isinstance(events, list) else ())
        self._set_assistant(batch, session, data)
        for part in _listed(data.get("parts")):
            self._part(batch, record, session, mapping(part), _author(facts))
        if not data.get("texts") and not data.get("parts"):
            self._unsent(batch, record, session, _listed(events))
        if not data.get("texts"):
            self._alive(batch, session, record)
            return
        self._alive(batch, session, record)
        self._figures_of_turn(batch, record, session, facts)

    def _figures_of_turn(
        self, batch: Batch, record: Record, session: Row, facts: TurnFacts
    ) -> None:
        took_ms = round(float(record.data.get("seconds") or 0) * 1000)
        failed = bool(record.data.get("failed")) or facts.is_fallback
        cost = self.prices.of_tokens(
            facts.models[-1] if facts.models else "", facts.prompt_tokens, facts.completion_tokens
        )
        session["turns"] += 1
        session["tokens"] += facts.tokens
        session["cost"] += cost
        session["slowest_ms"] = max(session["slowest_ms"], took_ms)
        session["fallbacks"] += failed
        least = [c for c in (session["least_confidence"], facts.confidence) if c is not None]
        session["least_confidence"] = min(least, default=None)
        batch.facet(session, *facts.facets(), *(["state:fallback"] if failed else []))
        batch.count(session, record.at_ms, "turns")
        batch.count(session, record.at_ms, bucket(took_ms))
        for name, value in (("fallbacks", failed), ("tokens", facts.tokens), ("cost", cost)):
            if value:
                batch.count(session, record.at_ms, name, value)

    def _part(
        self, batch: Batch, record: Record, session: Row, part: Mapping[str, Any], author: str
    ) -> None:
        segments = whole(part.get("segments"))
        said = batch.say(
            session,
            record,
            clean(part.get("id") or record.id),
            author=author,
            body=clean(part.get("body") or ""),
            segments=segments,
            encoding=clean(part.get("encoding") or ""),
            cost=self.prices.of_segments(segments),
            status="waiting",
        )
        if said:
            batch.count(session, record.at_ms, "replies")
            self._cost(batch, session, record, said)

    def _unsent(self, batch: Batch, record: Record, session: Row, events: list[Any]) -> None:
        """A turn outside SMS, `rasa shell` say: what was said is in its events alone."""
        for place, event in enumerate(map(mapping, events)):
            author = {"user": "customer", "bot": "assistant"}.get(str(event.get("event")))
            if author and event.get("text"):
                ref, body = f"{record.id}.{place}", clean(event["text"])
                batch.say(session, record, ref, author=author, body=body)

    def sent(self, batch: Batch, record: Record, session: Row) -> None:
        self._delivery(batch, record, str(record.data.get("status") or "sent"))
        batch.count(session, record.at_ms, "sent")

    def dropped(self, batch: Batch, record: Record, session: Row) -> None:
        code = str(record.data.get("code") or "")
        self._delivery(batch, record, "dropped", "" if code == "0" else code)
        self._failed(batch, record, session, "" if code == "0" else code)

    def status(self, batch: Batch, record: Record, session: Row) -> None:
        status = str(record.data.get("status") or "")
        code = str(record.data.get("error_code") or "")
        self._delivery(batch, record, status, code)
        if status == "delivered":
            batch.count(session, record.at_ms, "delivered")
        if status in FAILED:
            self._failed(batch, record, session, code)

    def _delivery(self, batch: Batch, record: Record, status: str, code: str = "") -> None:
        message = batch.message(record.data)
        if message is None:
            return
        if message["status"] in (*FAILED, "delivered", "read") and status in ("sent", "queued"):
            status = message["status"]  # a report overtook Twilio's answer to our request
        sid = clean(record.data.get("sid") or message["sid"])
        batch.change_message(
            message, sid=sid, status=clean(status), error_code=clean(code or message["error_code"])
        )

    def _failed(self, batch: Batch, record: Record, session: Row, code: str) -> None:
        session["undelivered"] += 1
        batch.change(session)
        batch.facet(session, "state:undelivered", *([f"error:{code}"] if code else []))
        batch.count(session, record.at_ms, "undelivered")
        if code:
            batch.count(session, record.at_ms, f"error:{code}")
        batch.news.append(("delivery.failed", session, record.at_ms))

    def apology(self, batch: Batch, record: Record, session: Row) -> None:
        """One sentence instead of parts that came too late."""
        part = {**record.data, "id": record.data.get("part")}
        self._part(batch, record, session, part, "system")
        for late in _listed(record.data.get("instead_of")):
            if message := batch.message({"part": late}):
                batch.change_message(message, status="dropped")
        session["fallbacks"] += 1
        batch.facet(session, "state:fallback", "state:undelivered")

    def consent(self, batch: Batch, record: Record, session: Row) -> None:
        out = record.data.get("state") == "out"
        session["opted_out"] = out
        batch.change(session)
        (batch.facet if out else batch.unfacet)(session, "state:opted_out")
        if out:
            batch.count(session, record.at_ms, "opted_out")
            batch.news.append(("customer.opted_out", session, record.at_ms))

    def asked(self, batch: Batch, record: Record, session: Row) -> None:
        self._hand_over(batch, session, "waiting", "")
        batch.news.append(("session.handed_over", session, record.at_ms))

    def taken(self, batch: Batch, record: Record, session: Row) -> None:
        self._hand_over(batch, session, "held", clean(record.data.get("operator") or ""))

    def released(self, batch: Batch, record: Record, session: Row) -> None:
        self._hand_over(batch, session, "", "")

    def _hand_over(self, batch: Batch, session: Row, state: str, holder: str) -> None:
        session["handover"], session["holder"] = state, holder
        batch.change(session)
        batch.facet(session, "state:handed_over")

    def ended(self, batch: Batch, record: Record, session: Row) -> None:
        session["handover"], session["holder"] = "", ""
        if not session["ended_ms"]:
            session["ended_ms"] = whole(record.data.get("at_ms")) or record.at_ms
            batch.change(session)
            batch.news.append(("session.ended", session, record.at_ms))

    def refused(self, batch: Batch, record: Record, session: Row) -> None:
        session["refused"] += 1
        batch.change(session)
        if message := batch.message(record.data):
            batch.change_message(message, status="refused")
        batch.facet(session, "state:refused")

    def _count_refused(self, batch: Batch, record: Record, session: Row | None) -> None:
        """Also what was refused outside any session."""
        nobody = {"business": clean(business_of(record.data)), "assistant": ""}
        batch.count(session or nobody, record.at_ms, "refused")
        if reason := clean(record.data.get("reason") or ""):
            batch.count(session or nobody, record.at_ms, f"{PREFIX}{reason}"[:100])

    def _alive(self, batch: Batch, session: Row, record: Record) -> None:
        session["last_ms"] = max(session["last_ms"], record.at_ms)
        session["ended_ms"] = 0
        batch.change(session)

    def _set_assistant(self, batch: Batch, session: Row, data: Mapping[str, Any]) -> None:
        if name := clean(data.get("assistant") or ""):
            session["assistant"] = name
            batch.facet(session, f"assistant:{name}")

    def _cost(self, batch: Batch, session: Row, record: Record, said: Row) -> None:
        for name in ("cost", "segments"):
            if said[name]:
                batch.count(session, record.at_ms, name, said[name])


def _author(facts: TurnFacts) -> str:
    """Who wrote the answer: what is sent for an operator says so in its events."""
    return "operator" if "operator" in facts.outcomes else "assistant"


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
