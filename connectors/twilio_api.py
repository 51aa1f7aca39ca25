"""Twilio's REST API: the only room that calls it. Blocking calls run in threads of their own."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlencode

import requests
from requests.adapters import HTTPAdapter
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client
from urllib3.exceptions import MaxRetryError, NewConnectionError, SSLError

from connectors.errors import SendRefused, SendUnavailable, SendUnknown
from connectors.outbox import ASKED_AT_MOST_SECONDS, REQUEST_SECONDS
from connectors.part import Part
from connectors.settings import Twilio
from connectors.wire import STATUS_PATH, InboundText

CALLS_AT_ONCE = 16
# A reply that Twilio could not hand over in this time is of no use any more.
VALIDITY_SECONDS = 600

# Nothing is wrong with the message; somebody has to mend the account or wait.
_HOLD = frozenset({20003, 20005, 20006, 20404, 21611, 60728, 63038})
_HOLD_SECONDS = 60.0
_CLOCK_SKEW_SECONDS = 300
_LOOK_BACK = 100

_T = TypeVar("_T")

# It writes phone numbers into the log at INFO.
logging.getLogger("twilio.http_client").setLevel(logging.WARNING)


@dataclass(frozen=True)
class Accepted:
    """What Twilio said when it took a message."""

    sid: str
    status: str


@dataclass(frozen=True)
class ReceivedText:
    """A text as Twilio lists it, and when it got it, in seconds since 1970."""

    text: InboundText
    sent_seconds: float


class TwilioApi:
    """Sends messages and finds them again.

    Twilio itself drops what it could not hand over within `validity_seconds`, 1 to 36000.
    """

    def __init__(
        self,
        settings: Twilio,
        timeout: float = REQUEST_SECONDS,
        validity_seconds: int = VALIDITY_SECONDS,
    ) -> None:
        self.settings = settings
        self.validity_seconds = validity_seconds
        self._threads = ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="twilio")
        http = _HttpClient(timeout)
        user, password = settings.credentials
        # A non-empty environment keeps the client from reading the real one: an edge or region
        # set there would change the host.
        self._client = Client(
            user, password, settings.account_sid, http_client=http, environment={"": ""}
        )
        if settings.api_base_url:
            self._client.api.base_url = settings.api_base_url
            self._client.messaging.base_url = settings.api_base_url

    async def send(self, part: Part) -> Accepted:
        """Ask Twilio to send a part.

        Raises SendRefused (never again), SendUnavailable (later) or SendUnknown (look it up).
        """
        message = await self._call(lambda: self._create(part))
        return Accepted(str(message.sid), str(message.status))

    def _create(self, part: Part) -> Any:
        # Somebody else may have looked meanwhile, and sent the part.
        if part.asked_for_seconds > ASKED_AT_MOST_SECONDS:
            raise SendUnavailable("this process stood still between the note and the request")
        return self._client.messages.create(
            to=part.customer,
            from_=part.business,
            body=part.body,
            status_callback=self._status_url(part),
            validity_period=self.validity_seconds,
        )

    def _status_url(self, part: Part) -> str:
        return f"{self.settings.public_url}{STATUS_PATH}?{urlencode({'part': part.id})}"

    async def find(self, part: Part) -> list[Accepted]:
        """Messages at Twilio that may be the part, newest first. Raises as `send` does.

        The list is not filtered by date, because a message that still waits has none.
        """
        found = await self._call(
            lambda: self._client.messages.list(
                to=part.customer, from_=part.business, limit=_LOOK_BACK, page_size=_LOOK_BACK
            )
        )
        earliest = datetime.fromtimestamp(part.asked_ms / 1000 - _CLOCK_SKEW_SECONDS, timezone.utc)
        return [
            Accepted(str(m.sid), str(m.status))
            for m in found
            if _has_words(m.body, part.body) and m.date_created and m.date_created >= earliest
        ]

    async def received(self, number: str, since: float) -> list[ReceivedText]:
        """Texts to one of our numbers since a time in seconds, oldest first. Raises as `send`."""
        after = datetime.fromtimestamp(since, timezone.utc)
        found = await self._call(
            lambda: self._client.messages.list(to=number, date_sent_after=after, page_size=1000)
        )
        return [
            ReceivedText(
                InboundText(str(m.sid), str(m.from_), number, m.body or "", int(m.num_media or 0)),
                m.date_sent.timestamp(),
            )
            for m in reversed(found)
            if m.direction == "inbound"
        ]

    async def check_account(self) -> str:
        """The account's status word ("active"). Raises as `send` does."""
        account = await self._call(self._client.api.accounts(self.settings.account_sid).fetch)
        return str(account.status)

    async def owned_numbers(self) -> set[str]:
        """The account's numbers, E.164. Raises as `send` does."""
        numbers = await self._call(lambda: self._client.incoming_phone_numbers.list(limit=1000))
        return {str(number.phone_number) for number in numbers}

    async def _call(self, ask: Callable[[], _T]) -> _T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, ask)
        except TwilioRestException as error:
            _refused(error)
        except (requests.RequestException, TwilioException) as error:
            _failed(error)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class _HttpClient(TwilioHttpClient):
    """twilio's own client, with a pool as large as ours and with Retry-After kept."""

    def __init__(self, timeout: float) -> None:
        super().__init__(timeout=timeout)
        adapter = HTTPAdapter(pool_maxsize=CALLS_AT_ONCE)
        self.session.mount("https://", adapter)
        self.session.mount("http://", adapter)

    def request(self, *args: Any, **kwargs: Any) -> Any:
        response = super().request(*args, **kwargs)
        if response.status_code == 429:
            # twilio's exception drops the headers.
            raise SendUnavailable(
                f"Twilio answered 429, error {_code(response.text)}",
                retry_after=_retry_after(response.headers)
                or (_HOLD_SECONDS if _code(response.text) in _HOLD else None),
            )
        return response


def _retry_after(headers: Any) -> float | None:
    given = str((headers or {}).get("Retry-After", ""))
    seconds = float(given) if given.isascii() and given.isdigit() else None
    return min(seconds, _HOLD_SECONDS) if seconds is not None else None


def _has_words(found: str | None, sent: str) -> bool:
    """Trial accounts get a sentence put before their texts, and blanks may be tidied."""
    return " ".join((found or "").split()).endswith(" ".join(sent.split()))


def _code(text: str) -> int:
    try:
        return int(json.loads(text)["code"])
    except (ValueError, KeyError, TypeError):
        return 0


def _refused(error: TwilioRestException) -> NoReturn:
    # The message may repeat a phone number; the code says the same, and is documented.
    said = f"Twilio answered {error.status}, error {error.code}"
    if error.code in _HOLD or error.status in (401, 403, 404) or error.status < 400:
        raise SendUnavailable(said, retry_after=_HOLD_SECONDS) from None
    if error.status >= 500 or error.status == 408:
        raise SendUnknown(said) from None
    if error.code == error.status:  # no code of Twilio's: something on the way answered
        raise SendUnavailable(said) from None
    raise SendRefused(said, code=error.code or 0, status=error.status) from None


def _failed(error: Exception) -> NoReturn:
    said = f"Twilio: {type(error).__name__}"
    if _never_left(error):
        raise SendUnavailable(said) from error
    raise SendUnknown(said) from error


def _never_left(error: Exception) -> bool:
    """Did the request fail before a byte of it was sent?"""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    if isinstance(reason, SSLError):
        # A certificate is refused before anything is said; later troubles of TLS prove nothing.
        return bool(reason.args) and isinstance(reason.args[0], ssl.SSLCertVerificationError)
    return isinstance(reason, NewConnectionError)
