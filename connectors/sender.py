"""The sender: takes parts from the outbox to Twilio, each exactly once and in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile

import structlog

from connectors.consent import CODE_21610
from connectors.errors import LeaseLost, SendRefused, SendUnavailable, SendUnknown
from connectors.failover import ServerChanges
from connectors.gate import Refusal
from connectors.gatekeeper import Gatekeeper, masked
from connectors.ids import mask
from connectors.lanes import Claim, backoff
from connectors.ledger import Ledger
from connectors.outbox import LISTED_WITHIN_SECONDS, Outbox
from connectors.pace import Pace
from connectors.part import Part
from connectors.segments import count
from connectors.twilio_api import Accepted, TwilioApi
from connectors.wire import StatusReport

log = structlog.get_logger(__name__)

# And how long it may go on with a request after we no longer wait for the answer.
GAVE_UP_SECONDS = 15.0
# A question does no harm, so it is asked again sooner than a message is sent again.
LOOK_UP_WITHIN_SECONDS = 10.0
# What the gate refuses for now is looked at again so much later.
LOOK_AGAIN_SECONDS = 1.0


@dataclass(frozen=True)
class Lateness:
    """When a reply is too old to be sent as if nothing had happened, and what is said then.

    No `apology`: nothing is said.
    """

    after_seconds: float
    apology: Callable[[Part], str | None]

    def left(self, part: Part) -> float:
        """Seconds in which the part can still be sent. An apology never gets too old."""
        return self.after_seconds - (0 if part.apology else part.age_seconds)

    def has_come_over(self, part: Part) -> bool:
        return part.apology or self.left(part) < 0


class Sender:
    """Handles claims of the outbox: one part each."""

    def __init__(
        self,
        outbox: Outbox,
        twilio: TwilioApi,
        gatekeeper: Gatekeeper,
        ledger: Ledger,
        pace: Pace,
        lateness: Lateness,
        listed_within_seconds: float = LISTED_WITHIN_SECONDS,
        gave_up_seconds: float = GAVE_UP_SECONDS,
    ) -> None:
        self.changes = ServerChanges(outbox.store)
        self.outbox = outbox
        self.twilio = twilio
        self.gatekeeper = gatekeeper
        self.ledger = ledger
        self.pace = pace
        self.lateness = lateness
        self.listed_within_seconds = listed_within_seconds
        self.gave_up_seconds = gave_up_seconds

    async def handle(self, claim: Claim) -> None:
        """Settle the first part that waits, or leave it for later."""
        part = self.changes.as_asked(Part.read(claim.items[0]))
        if part.asked_ms:
            await self._resolve(claim, part)
        else:
            await self._send_in_time(claim, part)

    async def _send_in_time(self, claim: Claim, part: Part) -> None:
        if not self.lateness.has_come_over(part):
            await self._send(claim, part)
        elif sentence := self.lateness.apology(part):
            await self._apologise(claim, part, sentence)
        else:
            await self._drop(claim, part, f"older than {self.lateness.after_seconds:g} s")

    async def _apologise(self, claim: Claim, part: Part, sentence: str) -> None:
        """One sentence for all that is late: the parts of this reply, and the replies after it."""
        waiting = await self.outbox.of(claim.conversation)
        late = list(takewhile(lambda p: self._belongs_to(part, p), waiting))
        apology = part.apologising(sentence)
        if not await self.outbox.apologise(claim, late, apology):
            await self._drop(claim, part, "late, and the session is over")
            return
        if late != [apology]:
            log.warning("sms.late", part=apology.id, instead_of_parts=len(late))
        await self._send(claim, apology)

    def _belongs_to(self, first: Part, part: Part) -> bool:
        return part.session == first.session and self.lateness.has_come_over(part)

    async def _send(self, claim: Claim, part: Part) -> None:
        """Every request to Twilio comes by here, the second one for a part, too."""
        refusal = await self.gatekeeper.refusal(part)
        if refusal and refusal.for_now:
            log.debug("sms.held", **masked(part), reason=refusal.reason)
            await self.outbox.lane.release(claim, LOOK_AGAIN_SECONDS, counts=False)
        elif refusal:
            await self._refuse(claim, part, refusal)
        else:
            await self._send_at_our_pace(claim, part)

    async def _send_at_our_pace(self, claim: Claim, part: Part) -> None:
        wait = await self.pace.wait_for(part, self.lateness.left(part))
        if wait is None:
            await self._drop(claim, part, "SEGMENTS_PER_SECOND leaves no room for it in time")
        elif wait:
            await self.outbox.lane.release(claim, wait, counts=False)
        else:
            await self._ask(claim, part)

    async def _ask(self, claim: Claim, part: Part) -> None:
        asked = await self.outbox.mark_asked(claim, part)
        try:
            accepted = await self.twilio.send(asked)
        except SendRefused as error:
            if error.code == int(CODE_21610):
                await self.ledger.opt_out(part.business, part.customer, CODE_21610)
            await self._drop(claim, part, str(error), code=error.code)
        except SendUnavailable as error:
            # As it was: whether Twilio has it from an earlier request may still be unknown.
            await self.outbox.write(claim, part)
            await self._later(claim, part, str(error), error.retry_after)
        except SendUnknown as error:
            late = self.gave_up_seconds if error.gave_up else 0
            await self.outbox.mark_over(claim, asked, late)
            await self._later(claim, part, str(error), self.listed_within_seconds)
        else:
            await self._sent(claim, part, accepted)

    async def _resolve(self, claim: Claim, part: Part) -> None:
        """An earlier request may or may not have reached Twilio: look before sending again."""
        try:
            accepted = await self._look_up(part)
        except (SendRefused, SendUnavailable, SendUnknown) as error:
            named = error.retry_after if isinstance(error, SendUnavailable) else None
            delay = named or backoff(claim.tries, LOOK_UP_WITHIN_SECONDS)
            await self._later(claim, part, f"cannot look it up: {error}", delay)
            return
        if accepted:
            log.info("sms.found_at_twilio", part=part.id, sid=accepted.sid)
            await self._sent(claim, part, accepted)
        elif part.over_for_seconds < self.listed_within_seconds:
            wait = self.listed_within_seconds - part.over_for_seconds
            await self.outbox.lane.release(claim, min(wait, self.listed_within_seconds))
        else:
            await self._send_in_time(claim, part)

    async def _look_up(self, part: Part) -> Accepted | None:
        sid = await self.outbox.sid_from_report(part)
        if sid:
            return Accepted(sid, "queued")
        for candidate in await self.twilio.find(part):
            # The same words may have been sent before, as another part.
            if await self.outbox.part_of(candidate.sid) in (None, part.id):
                return candidate
        return None

    async def _sent(self, claim: Claim, part: Part, accepted: Accepted) -> None:
        try:
            await self.outbox.sent(claim, part, accepted.sid, accepted.status)
        except LeaseLost:
            # Another worker has the part, or its customer was deleted: whoever it is, they need
            # to know under which SID Twilio has it.
            await self.outbox.report(StatusReport(accepted.sid, accepted.status, "", part.id))
            raise
        log.info(
            "sms.sent",
            sid=accepted.sid,
            part=part.id,
            customer=mask(part.customer),
            status=accepted.status,
            segments=count(part.body).segments,
        )

    async def _refuse(self, claim: Claim, part: Part, refusal: Refusal) -> None:
        await self.outbox.refuse(claim, part, refusal)
        await self.gatekeeper.note_refused(refusal.reason)
        log.warning("sms.refused", **masked(part), reason=refusal.reason, do=refusal.do)

    async def _drop(self, claim: Claim, part: Part, reason: str, code: int = 0) -> None:
        await self.outbox.drop(claim, part, reason, code)
        log.error(
            "sms.dropped", part=part.id, customer=mask(part.customer), reason=reason, code=code
        )

    async def _later(self, claim: Claim, part: Part, reason: str, delay: float | None) -> None:
        delay = backoff(claim.tries) if delay is None else delay
        log.warning(
            "sms.later", part=part.id, reason=reason, tries=claim.tries, in_seconds=round(delay, 1)
        )
        await self.outbox.lane.release(claim, delay)
