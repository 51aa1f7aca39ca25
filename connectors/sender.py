"""The sender: takes parts from the outbox to Twilio, each exactly once and in order."""

from __future__ import annotations

import structlog

from connectors.errors import SendRefused, SendUnavailable, SendUnknown
from connectors.ids import mask
from connectors.lanes import Claim, backoff
from connectors.outbox import Outbox
from connectors.part import Part
from connectors.segments import count
from connectors.twilio_api import Accepted, TwilioApi

log = structlog.get_logger(__name__)

# An answer that comes later than this would surprise more than it helps.
TOO_OLD_SECONDS = 600.0
TOO_OLD = "the reply is older than ten minutes"
# How long Twilio may take, after the request is over, to list a message that it has taken.
LISTED_WITHIN_SECONDS = 5.0


class Sender:
    """Handles claims of the outbox: one part each."""

    def __init__(
        self,
        outbox: Outbox,
        twilio: TwilioApi,
        listed_within_seconds: float = LISTED_WITHIN_SECONDS,
    ) -> None:
        self.outbox = outbox
        self.twilio = twilio
        self.listed_within_seconds = listed_within_seconds

    async def handle(self, claim: Claim) -> None:
        """Settle the first part that waits, or leave it for later."""
        part = Part.read(claim.items[0])
        if part.asked_ms:
            await self._resolve(claim, part)
        elif part.age_seconds > TOO_OLD_SECONDS:
            await self._drop(claim, part, TOO_OLD)
        else:
            await self._send(claim, part)

    async def _send(self, claim: Claim, part: Part) -> None:
        asked = await self.outbox.mark_asked(claim, part)
        try:
            accepted = await self.twilio.send(asked)
        except SendRefused as error:
            await self._drop(claim, part, str(error), code=error.code)
        except SendUnavailable as error:
            # As it was: whether Twilio has it from an earlier request may still be unknown.
            await self.outbox.write(claim, part)
            await self._later(claim, part, str(error), error.retry_after)
        except SendUnknown as error:
            await self.outbox.mark_over(claim, asked)
            await self._later(claim, part, str(error), self.listed_within_seconds)
        else:
            await self._sent(claim, part, accepted)

    async def _resolve(self, claim: Claim, part: Part) -> None:
        """An earlier request may or may not have reached Twilio: look before sending again."""
        try:
            accepted = await self._look_up(part)
        except (SendRefused, SendUnavailable, SendUnknown) as error:
            await self._later(claim, part, f"cannot look it up: {error}", None)
            return
        if accepted:
            log.info("sms.found_at_twilio", part=part.id, sid=accepted.sid)
            await self._sent(claim, part, accepted)
        elif part.over_for_seconds < self.listed_within_seconds:
            wait = self.listed_within_seconds - part.over_for_seconds
            await self.outbox.lane.release(claim, wait)
        elif part.age_seconds > TOO_OLD_SECONDS:
            await self._drop(claim, part, TOO_OLD)
        else:
            await self._send(claim, part)

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
        await self.outbox.sent(claim, part, accepted.sid, accepted.status)
        log.info(
            "sms.sent",
            sid=accepted.sid,
            part=part.id,
            customer=mask(part.customer),
            status=accepted.status,
            segments=count(part.body).segments,
        )

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
