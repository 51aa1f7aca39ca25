"""The webhooks: what Twilio posts, checked, kept, and acknowledged only then; and health."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import async_timeout
import structlog
from sanic.request import Request
from sanic.response import HTTPResponse, empty, json

from connectors.consent import CODE_21610, Ask
from connectors.errors import StoreUnavailable, Unreadable
from connectors.health import Verdict, details, judge, without_redis
from connectors.house_rules import UNATTACHED
from connectors.ids import mask
from connectors.knock import is_knock
from connectors.outbox import is_final
from connectors.service import Service
from connectors.wire import (
    MAX_BODY_BYTES,
    Form,
    InboundText,
    StatusReport,
    is_signed,
    read_inbound,
    read_status,
)

log = structlog.get_logger(__name__)

# Twilio itself takes no longer for all of a request.
BODY_SECONDS = 15.0


class Webhooks:
    """The handlers of the routes. They use an open service; it need not have been started."""

    def __init__(self, service: Service) -> None:
        self.service = service

    async def text(self, request: Request) -> HTTPResponse:
        """A customer's text: 204 once it is kept."""
        form = await self._signed_form(request)
        if isinstance(form, HTTPResponse):
            return form
        try:
            text = read_inbound(form, self.service.settings.twilio.account_sid)
            event = await self._take(text)
        except Unreadable as error:
            return _unreadable(error)
        except StoreUnavailable as error:
            return _unavailable(error)
        log.info(event, sid=text.sid, customer=mask(text.customer), media=text.media)
        return empty(204)

    async def _take(self, text: InboundText) -> str:
        """What became of the text, as the log calls it."""
        if text.business in self.service.attached:
            return "sms.accepted" if await self.service.inbox.accept(text) else "sms.seen_before"
        await self._stop_all_the_same(text)
        if text.business not in self.service.settings.twilio.numbers:
            raise Unreadable(
                f"To is {mask(text.business)}, which neither TWILIO_NUMBERS nor an assistant lists"
            )
        if not await self.service.inbox.accept(text, refuse=UNATTACHED):
            return "sms.seen_before"
        return "sms.refused"

    async def _stop_all_the_same(self, text: InboundText) -> None:
        """STOP counts where nobody answers, too: somebody may answer there again.

        Twilio signed it for our account, so the number is ours, whatever the settings say by now.
        """
        request = self.service.inbox.rules.request(text)
        if request.ask is Ask.STOP:
            await self.service.ledger.opt_out(text.business, text.customer, request.how)
            log.info("sms.keyword", sid=text.sid, customer=mask(text.customer), asks_for="stop")

    async def status(self, request: Request) -> HTTPResponse:
        """A delivery report: 204 once it is noted, also for the tenth time."""
        form = await self._signed_form(request)
        if isinstance(form, HTTPResponse):
            return form
        if self._is_knock(form):
            return json({"error": "this reports on no message"}, 400)
        try:
            report = read_status(form, request.args.get("part", ""))
            # Before the report is no news any more, in case that one of the two fails.
            await self.service.standings.noticed(report.business, report.error_code)
            await self._learn_opt_out(report)
            news = await self.service.outbox.report(report)
        except Unreadable as error:
            return _unreadable(error)
        except StoreUnavailable as error:
            return _unavailable(error)
        if news:
            # The session log has every one; how it ended is what the log is read for.
            tell = log.info if is_final(report.status) else log.debug
            tell("sms.status", sid=report.sid, status=report.status, error_code=report.error_code)
        return empty(204)

    async def _learn_opt_out(self, report: StatusReport) -> None:
        """Twilio tells of its own list at once, or, with a Messaging Service, in a report."""
        if report.error_code == CODE_21610 and report.business and report.customer:
            await self.service.ledger.opt_out(report.business, report.customer, CODE_21610)

    async def health(self) -> HTTPResponse:
        """200 when a text would be accepted now, and answered, else 503."""
        service = self.service
        workers = [worker.health for worker in service.workers]
        try:
            probe = await service.prober.probe()
        except StoreUnavailable as error:
            log.error("health.redis_unreachable", reason=str(error))
            return _told(without_redis(str(error)), {"redis": "unavailable"})
        return _told(
            judge(probe, workers, self.service.installation.conflict),
            {
                "redis": "ok",
                "answering": service.is_answering,
                "numbers": [self._health_of(number) for number in service.attached],
                "opt_outs_known": probe.opt_outs_known,
                "opt_outs_not_in_sql": probe.opt_outs_not_in_sql,
                "refused_today": dict(probe.refused_today),
                **details(probe, workers),
            },
        )

    def _health_of(self, number: str) -> dict[str, object]:
        standing = self.service.standings.of(number)
        return {
            "number": mask(number),
            "ten_dlc": standing.verdict.value,
            "reason": standing.reason,
            "answers": self.service.standings.why_not(number) is None,
        }

    async def _signed_form(self, request: Request) -> Form | HTTPResponse:
        """The form, or the answer to somebody who is not Twilio."""
        try:
            async with async_timeout.timeout(BODY_SECONDS):
                raw = await _read_body(request)
        except asyncio.TimeoutError:
            log.warning("webhook.refused", reason=f"no whole body in {BODY_SECONDS} s")
            return empty(408)
        if raw is None:
            log.warning("webhook.refused", reason=f"more than {MAX_BODY_BYTES} bytes")
            return empty(413)
        form = Form.parse(raw)
        twilio = self.service.settings.twilio
        url = twilio.public_url + request.path
        if request.query_string:
            url += f"?{request.query_string}"
        if not is_signed(twilio.auth_tokens, url, form, request.headers.get("x-twilio-signature")):
            if self._is_knock(form):
                return empty(403)
            # The form may be anybody's: nothing of it is logged. The URL is what we expected.
            log.warning("webhook.refused", reason="not signed for this URL", url=url.split("?")[0])
            return empty(403)
        return form

    def _is_knock(self, form: Form) -> bool:
        """Is it only `make doctor`, who looks what the door answers?"""
        if not is_knock(form, self.service.settings.twilio.auth_tokens, time.time()):
            return False
        log.info("webhook.doctor_knocked")
        return True


async def _read_body(request: Request) -> bytes | None:
    """The raw body, or None if it is too long; then no more of it than that is held."""
    body = bytearray()
    assert request.stream is not None  # the routes are streamed ones
    while chunk := await request.stream.read():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    return bytes(body)


def _told(verdict: Verdict, more: dict[str, Any]) -> HTTPResponse:
    told = {"status": verdict.status, "why": list(verdict.why), **more}
    return json(told, verdict.http_status)


def _unreadable(error: Unreadable) -> HTTPResponse:
    log.warning("webhook.unusable", reason=str(error))
    return json({"error": str(error)}, 400)


def _unavailable(error: StoreUnavailable) -> HTTPResponse:
    log.error("webhook.not_stored", reason=str(error), answered=503)
    return json({"error": "cannot be stored now, please send it again"}, 503)
