"""One message to send, as it waits in the outbox. Pure."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace

from connectors.ids import sortable_id

# What a part is: an answer of the assistant, or a fixed text that the gate has its own rule for.
REPLY, OPTED_OUT, OPTED_IN, HELP, NOTICE = "reply", "opted_out", "opted_in", "help", "notice"


@dataclass(frozen=True)
class Part:
    """`id` begins with the conversation's; `session` is the one it answers in; times are
    milliseconds since 1970.

    `asked_ms` is when Twilio was asked to send it, while it is unknown whether Twilio has it;
    `over_ms` is when that request is certainly over. An `apology` stands for replies that came
    too late.
    """

    id: str
    session: str
    business: str
    customer: str
    body: str
    created_ms: int
    asked_ms: int = 0
    over_ms: int = 0
    apology: bool = False
    kind: str = REPLY

    @classmethod
    def new(
        cls,
        conversation: str,
        session: str,
        business: str,
        customer: str,
        body: str,
        now: float | None = None,
        kind: str = REPLY,
    ) -> Part:
        """`now` is in seconds since 1970; the parts of one reply have it in common."""
        created = time.time() if now is None else now
        part_id = f"{conversation}.{sortable_id()}"
        return cls(part_id, session, business, customer, body, int(created * 1000), kind=kind)

    def apologising(self, sentence: str) -> Part:
        """What the customer gets instead of this part and of those that are late with it."""
        if self.apology:
            return self
        conversation = self.id.partition(".")[0]
        part = Part.new(conversation, self.session, self.business, self.customer, sentence)
        return replace(part, apology=True)

    @classmethod
    def read(cls, item: str) -> Part:
        return cls(**json.loads(item))

    def write(self) -> str:
        return json.dumps(vars(self))

    @property
    def conversation(self) -> str:
        return self.id.partition(".")[0]

    @property
    def age_seconds(self) -> float:
        return time.time() - self.created_ms / 1000

    @property
    def asked_for_seconds(self) -> float:
        """How long ago Twilio was asked."""
        return time.time() - self.asked_ms / 1000

    @property
    def over_for_seconds(self) -> float:
        """How long ago the request was over; negative while it may still be under way."""
        return time.time() - self.over_ms / 1000
