"""The outbox: parts of replies that were committed and are not with Twilio yet."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace

from connectors import keys
from connectors.errors import LeaseLost
from connectors.ids import sortable_id
from connectors.lanes import Claim, Lane
from connectors.store import Store
from connectors.wire import StatusReport

# How far a message has come. Reports arrive late, twice and out of order; none moves it back.
RANKS = {
    "accepted": 0,
    "scheduled": 0,
    "queued": 1,
    "sending": 2,
    "sent": 3,
    "delivered": 4,
    "undelivered": 4,
    "failed": 4,
    "canceled": 4,
    "read": 5,
}
ON_ITS_WAY = RANKS["sent"]
# Carriers that never report must not hold up the next part for ever.
WAIT_FOR_REPORT_MS = 10_000


@dataclass(frozen=True)
class Part:
    """One message to send. `asked_ms` is set while it is unknown whether Twilio has it."""

    id: str
    business: str
    customer: str
    body: str
    created_ms: int
    asked_ms: int = 0

    @classmethod
    def new(cls, conversation: str, business: str, customer: str, body: str) -> Part:
        part_id = f"{conversation}.{sortable_id()}"
        return cls(part_id, business, customer, body, int(time.time() * 1000))

    @classmethod
    def read(cls, item: str) -> Part:
        return cls(**json.loads(item))

    def write(self) -> str:
        return json.dumps(asdict(self))

    @property
    def age_seconds(self) -> float:
        return time.time() - self.created_ms / 1000


class Outbox:
    """What the sender does to the parts. Every step raises LeaseLost and StoreUnavailable."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.lane = Lane(store, "outbox", batch=1)

    async def mark_asked(self, claim: Claim, part: Part) -> Part:
        """Note that Twilio is about to be asked to send the part."""
        return await self._write(claim, replace(part, asked_ms=int(time.time() * 1000)))

    async def mark_not_asked(self, claim: Claim, part: Part) -> Part:
        """Note that Twilio certainly does not have the part."""
        return await self._write(claim, replace(part, asked_ms=0))

    async def _write(self, claim: Claim, part: Part) -> Part:
        names = [self.lane.items(claim.conversation), self.lane.leases]
        arguments = [claim.conversation, claim.fence, part.write()]
        if not await self.store.step("mark", names, arguments):
            raise LeaseLost("another sender has this conversation by now")
        return part

    async def sent(self, claim: Claim, part: Part, sid: str, status: str) -> None:
        """Twilio has the part: take it out, and let the next one wait for the report."""
        await self._settle(claim, part, sid, status)

    async def drop(self, claim: Claim, part: Part) -> None:
        """The part will never be sent: take it out."""
        await self._settle(claim, part, "", "")

    async def _settle(self, claim: Claim, part: Part, sid: str, status: str) -> None:
        lane, conversation = self.lane, claim.conversation
        answer = await self.store.step(
            "settle",
            [
                lane.items(conversation),
                lane.due,
                lane.leases,
                lane.tries,
                keys.session(conversation),
                keys.message(sid),
            ],
            [
                conversation,
                claim.fence,
                sid,
                part.id,
                status,
                RANKS.get(status, 0),
                ON_ITS_WAY,
                WAIT_FOR_REPORT_MS,
                keys.MESSAGE_SECONDS,
                lane.wake,
            ],
        )
        if not answer:
            raise LeaseLost("another sender has this conversation by now")

    async def sid_from_report(self, part: Part) -> str | None:
        """The SID under which a delivery report named the part, if one came."""
        return await self.store.get(keys.part_sid(part.id))

    async def part_of(self, sid: str) -> str | None:
        """The part that is known to have been sent under a SID."""
        return await self.store.field(keys.message(sid), "part")

    async def report(self, report: StatusReport) -> bool:
        """Note a delivery report; False if it says nothing new. Raises StoreUnavailable."""
        conversation = report.part_id.partition(".")[0]
        answer = await self.store.step(
            "report",
            [
                keys.message(report.sid),
                keys.part_sid(report.part_id),
                keys.session(conversation),
                self.lane.due,
                self.lane.leases,
            ],
            [
                report.sid,
                report.status,
                RANKS.get(report.status, 0),
                report.error_code,
                report.part_id,
                conversation,
                ON_ITS_WAY,
                keys.MESSAGE_SECONDS,
                self.lane.wake,
            ],
        )
        return bool(answer)
