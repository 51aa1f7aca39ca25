"""The outbox: parts of replies that were committed and are not with Twilio yet."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from connectors import keys
from connectors.gate import Refusal
from connectors.ids import number_id
from connectors.lanes import Claim, Lane, held
from connectors.part import Part
from connectors.segments import count
from connectors.session_log import APOLOGY, DROPPED, REFUSED, SENT, SessionLog
from connectors.store import Store, unavailable_is_named
from connectors.ten_dlc import FILTERED, FILTERED_SECONDS
from connectors.wire import StatusReport

if TYPE_CHECKING:
    from connectors.twilio_api import SentMessage

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
# A request may leave so long after its note, and then take so long, also when the process that
# made it is told to stop meanwhile.
ASKED_AT_MOST_SECONDS = 3.0
REQUEST_SECONDS = 10.0
# How long Twilio may take, after a request is over, to list a message that it has taken.
LISTED_WITHIN_SECONDS = 5.0
REQUEST_MS = int((ASKED_AT_MOST_SECONDS + REQUEST_SECONDS) * 1000)
# Carriers that never report must not hold up the next part for ever.
WAIT_FOR_REPORT_MS = 10_000


_DOUBLED = 2

log = structlog.get_logger(__name__)


class Outbox:
    """What the sender does to the parts. Every step raises LeaseLost and StoreUnavailable."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.lane = Lane(store, "outbox", batch=1)

    async def mark_asked(self, claim: Claim, part: Part) -> Part:
        """Note that Twilio is about to be asked to send the part."""
        now = int(time.time() * 1000)
        return await self.write(claim, replace(part, asked_ms=now, over_ms=now + REQUEST_MS))

    async def mark_over(self, claim: Claim, part: Part, in_seconds: float = 0) -> Part:
        """Note when the request is over, and that nobody knows whether Twilio has the part."""
        over = time.time() + in_seconds
        return await self.write(claim, replace(part, over_ms=int(over * 1000)))

    async def write(self, claim: Claim, part: Part) -> Part:
        """Keep the first part as it is given here."""
        names = [self.lane.items(claim.conversation), self.lane.leases]
        arguments = [claim.conversation, claim.fence, part.write()]
        held(await self.store.step("mark", names, arguments))
        return part

    async def of(self, conversation: str) -> list[Part]:
        """All parts that wait for a customer, the next one first."""
        with unavailable_is_named():
            items = await self.store.client.lrange(self.lane.items(conversation), 0, -1)
        return [Part.read(item) for item in items]

    async def apologise(self, claim: Claim, late: Sequence[Part], apology: Part) -> bool:
        """Put an apology in place of the first parts; False if their session is over."""
        conversation = claim.conversation
        counted = count(apology.body)._asdict()
        replaced = [part.id for part in late if part.id != apology.id]
        record = {"part": apology.id, "body": apology.body, **counted, "instead_of": replaced}
        answer = await self.store.step(
            "apologise",
            [self.lane.items(conversation), self.lane.leases, keys.session(conversation), keys.LOG],
            [
                conversation,
                claim.fence,
                len(late),
                apology.write(),
                apology.session,
                APOLOGY if replaced else "",
                json.dumps(record),
            ],
        )
        held(answer)
        return int(answer) > 0

    async def sent(self, claim: Claim, part: Part, sid: str, status: str) -> None:
        """Twilio has the part: take it out, and let the next one wait for the report."""
        record = {"part": part.id, "sid": sid, "status": status}
        await self._settle(claim, part, sid, status, SENT, record)

    async def drop(self, claim: Claim, part: Part, reason: str, code: int) -> None:
        """The part will never be sent: take it out. `code` is Twilio's, or 0."""
        record = {"part": part.id, "reason": reason, "code": code}
        await self._settle(claim, part, "", "", DROPPED, record)

    async def refuse(self, claim: Claim, part: Part, refusal: Refusal) -> None:
        """The gate does not let the part leave: take it out."""
        record = {"part": part.id, "body": part.body, "route": "sender", "who": part.kind}
        record |= {"reason": refusal.reason, "do": refusal.do}
        await self._settle(claim, part, "", "", REFUSED, record)

    async def _settle(
        self,
        claim: Claim,
        part: Part,
        sid: str,
        status: str,
        kind: str,
        record: Mapping[str, object],
    ) -> None:
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
                keys.LOG,
                keys.part_sid(part.id),
                keys.limits(conversation),
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
                part.session,
                kind,
                json.dumps(record),
                count(part.body).segments,
                keys.DAY_PREFIX,
                keys.DAY_SECONDS,
            ],
        )
        held(answer)

    async def sid_from_report(self, part: Part) -> str | None:
        """The SID under which a delivery report named the part, if one came."""
        return await self.store.get(keys.part_sid(part.id))

    async def part_of(self, sid: str) -> str | None:
        """The part that is known to have been sent under a SID."""
        return await self.store.field(keys.message(sid), "part")

    async def know(self, part: Part, message: SentMessage) -> None:
        """Twilio has a part that was committed and sent before a failover: put it on record."""
        key = keys.message(message.sid)
        await self.store.put_field(key, "part", part.id, keys.MESSAGE_SECONDS)
        await self.report(StatusReport(message.sid, message.status, "", part.id))
        record = {"part": part.id, "sid": message.sid, "status": message.status}
        session_log = SessionLog(self.store)
        await session_log.write(SENT, record, conversation=part.conversation, session=part.session)

    async def report(self, report: StatusReport) -> bool:
        """Note a delivery report; False if it says nothing new. Raises StoreUnavailable."""
        conversation = report.part_id.partition(".")[0]
        number = number_id(await self.store.id_key(), report.business)
        answer = await self.store.step(
            "report",
            [
                keys.message(report.sid),
                keys.part_sid(report.part_id),
                keys.session(conversation),
                self.lane.due,
                self.lane.leases,
                keys.LOG,
                keys.filtered(number),
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
                json.dumps(_record(report)),
                RANKS["delivered"],
                FILTERED,
                FILTERED_SECONDS,
            ],
        )
        if answer == _DOUBLED:
            # Twilio took it long after we had given up. It cannot be taken back; it can be known.
            log.error("sms.doubled", part=report.part_id, sid=report.sid)
        return bool(answer)


def is_final(status: str) -> bool:
    """Whether it says how a message ended: arrived, or failed for good."""
    return RANKS.get(status, 0) > ON_ITS_WAY


def _record(report: StatusReport) -> dict[str, str]:
    return {
        "part": report.part_id,
        "sid": report.sid,
        "status": report.status,
        "error_code": report.error_code,
    }
