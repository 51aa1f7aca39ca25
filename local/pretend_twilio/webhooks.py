"""What Twilio posts to the business: signed forms, one retry, fifteen seconds."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import uuid
from collections.abc import Coroutine, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import httpx
import structlog

from local.pretend_twilio.config import PretendConfig
from local.pretend_twilio.store import Answer, Message

log = structlog.get_logger(__name__)

API_VERSION = "2010-04-01"
_ATTEMPTS = 2


class Courier:
    """Carries every webhook and every status callback, and owns the work in the background."""

    def __init__(self, config: PretendConfig) -> None:
        self.config = config
        self._tasks: set[asyncio.Task[Any]] = set()
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(config.webhook_timeout_s, connect=config.connect_timeout_s),
            # A kept connection that a restarted business has closed would look like a failure.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            trust_env=False,
        )

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do it in the background; kept here, because the loop itself forgets tasks."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()

    async def deliver(self, url: str, form: Mapping[str, str]) -> Answer:
        """Post one signed form and say what came of it. Every delivery goes through here."""
        url = bare(url)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "X-Twilio-Signature": signature(self.config.auth_tokens[0], url, form),
            "I-Twilio-Idempotency-Token": str(uuid.uuid4()),
            "User-Agent": "TwilioProxy/1.1",
            "Accept": "*/*",
        }
        posting = self._post(url, urlencode(form).encode(), headers)
        try:
            answer = await asyncio.wait_for(posting, self.config.webhook_timeout_s)
        except asyncio.TimeoutError:
            answer = missed(11200, f"no answer in {self.config.webhook_timeout_s:g} s")
        if not answer.taken:
            log.warning("webhook.not_taken", sid=form.get("MessageSid"), why=answer.words)
        return answer

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        for _ in range(_ATTEMPTS):
            try:
                response = await self._http.post(url, content=body, headers=headers)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue  # the only failure that Twilio tries again by default
            except (httpx.HTTPError, httpx.InvalidURL, AttributeError):
                # AttributeError: anyio trips over a connection that uvloop has lost at once.
                return missed(11200, "the connection broke")
            return answered(response.status_code)
        return missed(11205, "no connection")


def answered(status: int) -> Answer:
    if 200 <= status < 300:
        return Answer(status, None, f"taken by the business: {status}")
    return Answer(status, 11200, f"not delivered to the business: {status}")


def missed(code: int, why: str) -> Answer:
    return Answer(None, code, f"not delivered to the business: {why}")


def signature(token: str, url: str, form: Mapping[str, str]) -> str:
    """Twilio's: HMAC-SHA1 over the address and the sorted fields, blank ones too."""
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), hashlib.sha1)).decode()


def bare(url: str) -> str:
    """The address as Twilio requests and signs it: no user, no password, no fragment."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))


def inbound_form(message: Message, account_sid: str) -> dict[str, str]:
    """A customer's text as Twilio posts it, in the order of a captured one.

    Places are blank on purpose: Twilio knows them seldom, and signs the blanks.
    """
    form = {
        "ToCountry": country(message.to),
        "ToState": "",
        "SmsMessageSid": message.sid,
        "NumMedia": str(len(message.media)),
        "ToCity": "",
        "FromZip": "",
        "SmsSid": message.sid,
        "FromState": "",
        "SmsStatus": "received",
        "FromCity": "",
        "Body": message.body,
        "FromCountry": country(message.sender),
        "To": message.to,
        "ToZip": "",
        "NumSegments": str(message.segments),
        "ReferralNumMedia": "0",
        "MessageSid": message.sid,
        "AccountSid": account_sid,
        "From": message.sender,
        "ApiVersion": API_VERSION,
    }
    for n, media in enumerate(message.media):
        form[f"MediaContentType{n}"] = media.content_type
        form[f"MediaUrl{n}"] = media.url
    return form


def status_form(message: Message, account_sid: str) -> dict[str, str]:
    """A delivery report as Twilio posts it."""
    form = {
        "ApiVersion": API_VERSION,
        "MessageStatus": message.status,
        "SmsSid": message.sid,
        "SmsStatus": message.status,
        "To": message.to,
        "From": message.sender,
        "MessageSid": message.sid,
        "AccountSid": account_sid,
    }
    if message.status in ("delivered", "undelivered"):
        form["RawDlrDoneDate"] = message.updated.strftime("%y%m%d%H%M")
    if message.error_code:
        form["ErrorCode"] = str(message.error_code)
    return form


def country(number: str) -> str:
    return "US" if number.startswith("+1") else ""
