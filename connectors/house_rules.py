"""House rules: which texts are answered, which get a text that is always the same. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass

from connectors import keys
from connectors.assistant import Texts
from connectors.consent import Ask, Request, out_state, read_request
from connectors.opt_out_wording import plain_words
from connectors.part import HELP, NOTICE, OPTED_IN, OPTED_OUT, Part
from connectors.settings import NO_LIMITS, Limits
from connectors.turn_record import turn_record
from connectors.wire import InboundText

# Nobody but a machine sends the same words more often in a minute.
SAME_PER_MINUTE = 5

# Why a text is not answered, and what to do about it.
UNATTACHED = "unattached"
TOO_OLD = "too_old"
REASONS = {
    UNATTACHED: "list the number in an assistant's file, or make one assistant the default",
    TOO_OLD: "ask the customer, if it matters: it was found when an answer came too late",
    "own_number": "nothing: one of our own numbers texted, and two machines would talk for ever",
    "no_person": "nothing: short codes and names are machines, and cannot be texted back",
    "opted_out": "nothing, unless the customer texts START",
    "loop": "look whether a machine answers there; the next other text is answered again",
    "too_fast": "raise LIMIT_TEXTS_PER_MINUTE if people do text so fast",
    "too_many": "raise LIMIT_TEXTS_PER_DAY if people do text so much",
    "customer_segments_per_minute": "raise LIMIT_CUSTOMER_SEGMENTS_PER_MINUTE if need be",
    "customer_segments_per_day": "raise LIMIT_CUSTOMER_SEGMENTS_PER_DAY if need be",
    "outdated": "nothing: it came late, and the customer has decided otherwise since",
}


@dataclass(frozen=True)
class HouseRules:
    """`ours` are our own numbers, `texts` the fixed texts of who answers one of them.

    `twilio_answers`: Twilio itself answers its own keywords on long codes.
    """

    texts: Callable[[str], Texts] = lambda number: Texts()
    ours: Callable[[], Collection[str]] = tuple
    limits: Limits = NO_LIMITS
    twilio_answers: bool = True

    def request(self, text: InboundText) -> Request:
        return read_request(text, self.twilio_answers)

    def refuses(self, text: InboundText) -> str:
        """Why whoever texts gets no answer ever, or ""."""
        if text.customer in self.ours():
            return "own_number"
        return "" if text.customer.startswith("+") else "no_person"

    def for_step(
        self, text: InboundText, conversation: str, sent_ms: int, refuse: str = ""
    ) -> list[str]:
        """What lua/accept.lua has to know: the rules, and then the answers that may be needed.

        `refuse`: why it is not answered, if that is known.
        """
        request = self.request(text)
        return [
            self._rules(text, request, sent_ms, refuse or self.refuses(text)),
            *self._answers(text, conversation, request.ask),
        ]

    def _rules(self, text: InboundText, request: Request, sent_ms: int, refuse: str) -> str:
        return json.dumps(
            {
                "ask": request.ask.value,
                "how": request.how,
                "word": out_state(request.how),
                "heard": bool(text.opt_out_type),
                "twilio": request.answered,
                "refuse": refuse,
                "digest": hashlib.sha256(plain_words(text.body).encode()).hexdigest()[:16],
                "per_minute": self.limits.texts_per_minute,
                "per_day": self.limits.texts_per_day,
                "segments_per_minute": self.limits.customer_segments_per_minute,
                "segments_per_day": self.limits.customer_segments_per_day,
                "same": SAME_PER_MINUTE,
                "sent_ms": sent_ms,
                "do": REASONS,
                "day_prefix": keys.DAY_PREFIX,
                "day_seconds": keys.DAY_SECONDS,
                "outbox_wake": keys.lane_wake("outbox"),
            }
        )

    def _answers(self, text: InboundText, conversation: str, ask: Ask) -> list[str]:
        """Parts, each with the record of its turn."""
        texts = self.texts(text.business)
        notices = [(NOTICE, texts.too_fast), (NOTICE, texts.too_many)]
        said = {
            Ask.STOP: [(OPTED_OUT, texts.opted_out)],
            Ask.START: [(OPTED_IN, texts.opted_in)],
            Ask.YES: [(OPTED_IN, texts.opted_in), *notices],
            Ask.HELP: [(HELP, texts.help)],
        }.get(ask, notices)
        return [
            line for kind, body in said for line in _part_and_record(text, conversation, kind, body)
        ]


def _part_and_record(text: InboundText, conversation: str, kind: str, body: str) -> tuple[str, str]:
    part = Part.new(conversation, "", text.business, text.customer, body, kind=kind)
    return part.write(), json.dumps(turn_record([part], texts=[text.sid]))
