"""One message to send, as it waits in the outbox. Pure."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass

from connectors.ids import sortable_id


@dataclass(frozen=True)
class Part:
    """`id` begins with the conversation's; `session` is the one it answers in; times are
    milliseconds since 1970.

    `asked_ms` is when Twilio was asked to send it, while it is unknown whether Twilio has it;
    `over_ms` is when that request is certainly over.
    """

    id: str
    session: str
    business: str
    customer: str
    body: str
    created_ms: int
    asked_ms: int = 0
    over_ms: int = 0

    @classmethod
    def new(cls, conversation: str, session: str, business: str, customer: str, body: str) -> Part:
        part_id = f"{conversation}.{sortable_id()}"
        return cls(part_id, session, business, customer, body, int(time.time() * 1000))

    @classmethod
    def read(cls, item: str) -> Part:
        return cls(**json.loads(item))

    def write(self) -> str:
        return json.dumps(asdict(self))

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
