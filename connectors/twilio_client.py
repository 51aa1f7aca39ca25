"""How Twilio's REST API is called: one client on our event loop, errors by kind."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlencode

import aiohttp
import certifi
import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from yarl import URL

from connectors.errors import SendRefused, SendUnavailable, SendUnknown
from connectors.settings import Twilio

CALLS_AT_ONCE = 16

# An idle connection is kept so long. Finding that Twilio has just closed one costs a look-up.
KEPT_SECONDS = 50.0

# Nothing is wrong with the request; somebody has to mend the account or wait.
_HOLD = frozenset({20003, 20005, 20006, 20404, 21611, 60728, 63038})
_HOLD_SECONDS = 60.0
_TWILIO = "https://api.twilio.com"

_T = TypeVar("_T")


class TwilioClient:
    """twilio's own client. `rest` is for the rooms that know the resources: its `_async` methods.

    Made anywhere, it is used in one event loop, and closed there.
    """

    def __init__(self, settings: Twilio, timeout: float) -> None:
        self._http = _HttpClient(timeout, settings.api_base_url or _TWILIO)
        user, password = settings.credentials
        # A non-empty environment keeps the client from reading the real one: an edge or region
        # set there would change the host.
        self.rest = Client(
            user, password, settings.account_sid, http_client=self._http, environment={"": ""}
        )
        if settings.api_base_url:
            self.rest.api.base_url = settings.api_base_url
            self.rest.messaging.base_url = settings.api_base_url

    async def call(self, ask: Callable[[], Awaitable[_T]]) -> _T:
        """Make a request, or several.

        Raises SendRefused (Twilio will never do it), SendUnavailable (it did not do it) or
        SendUnknown (it may have done it).
        """
        try:
            return await ask()
        except TwilioRestException as error:
            _refused(error.status, error.code)
        except TwilioException as error:
            if page := _refused_page(error):
                _refused(page.status_code, _code(page.text) or page.status_code)
            raise SendUnknown(f"Twilio: {type(error).__name__}") from error
        except (ValueError, TypeError, AttributeError) as error:
            # twilio trips over an answer that is not as documented: a proxy's page, half a JSON.
            raise SendUnknown("Twilio's answer cannot be read") from error

    @property
    def clock_ahead_seconds(self) -> float | None:
        """How far our clock was ahead of Twilio's at the last answer; None before the first."""
        return self._http.clock_ahead_seconds

    async def close(self) -> None:
        """Nothing more is asked from now on, and what is under way ends unheard."""
        await self._http.close()


class _HttpClient(AsyncHttpClient):
    """Takes the place of twilio's own, which has no limit of time, asks its logger thirty times a
    request, and cannot be made outside an event loop. It keeps Retry-After and looks at Date.

    `timeout` is for all of a request, from looking for a connection to the last byte.
    """

    clock_ahead_seconds: float | None = None

    def __init__(self, timeout: float, base_url: str) -> None:
        super().__init__(logging.getLogger(__name__), is_async=True, timeout=timeout)
        self._base_url = base_url
        self._closed = False
        self._session: aiohttp.ClientSession | None = None
        self._proxy: str | None = None

    async def request(
        self,
        method: str,
        uri: str,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        if self._closed:
            raise SendUnavailable("this process is about to end")
        sent = SimpleNamespace(any=False)
        try:
            async with self._opened().request(
                method,
                URL(f"{uri}?{_form(params)}" if params else uri, encoded=True),
                data=_form(data) if data else None,
                headers=headers,
                auth=aiohttp.BasicAuth(*auth) if auth else None,
                allow_redirects=allow_redirects,
                proxy=self._proxy,
                trace_request_ctx=sent,
            ) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            _failed(error, sent.any)
        self.clock_ahead_seconds = _ahead_of(answer.headers)
        if answer.status == 429:
            # twilio's exception drops the headers.
            raise SendUnavailable(
                f"Twilio answered 429, error {_code(text)}",
                retry_after=_retry_after(answer.headers)
                or (_HOLD_SECONDS if _code(text) in _HOLD else None),
            )
        return Response(answer.status, text, answer.headers)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            verify, self._proxy = _way_out(self._base_url)
            told = aiohttp.TraceConfig()
            told.on_request_headers_sent.append(_note_sent)  # type: ignore[arg-type]
            self._session = aiohttp.ClientSession(
                # Senders are counted where they are started; nobody else shall wait for them here.
                connector=aiohttp.TCPConnector(limit=0, ssl=verify, keepalive_timeout=KEPT_SECONDS),
                # Beyond the threshold it would round up to a whole second.
                timeout=aiohttp.ClientTimeout(self.timeout, ceil_threshold=math.inf),
                cookie_jar=aiohttp.DummyCookieJar(),
                trace_configs=[told],
            )
        return self._session

    async def close(self) -> None:
        self._closed = True
        if self._session is not None:
            await self._session.close()


async def _note_sent(_: aiohttp.ClientSession, request: SimpleNamespace, __: object) -> None:
    """The next thing that happens is that the request's first bytes leave."""
    request.trace_request_ctx.any = True


def _way_out(url: str) -> tuple[ssl.SSLContext, str | None]:
    """Whose certificates are believed, and the proxy to go by, as `requests` reads both from the
    environment (REQUESTS_CA_BUNDLE, HTTPS_PROXY, NO_PROXY)."""
    with requests.Session() as session:
        found = session.merge_environment_settings(url, {}, None, None, None)
    bundle = found["verify"] if isinstance(found["verify"], str) else certifi.where()
    context = ssl.create_default_context(cafile=bundle)
    return context, requests.utils.select_proxy(url, found["proxies"])


def _form(fields: Mapping[str, object]) -> str:
    given = {name: value for name, value in fields.items() if value is not None}
    return urlencode(given, doseq=True)


def _ahead_of(headers: Any) -> float | None:
    try:
        return time.time() - parsedate_to_datetime((headers or {})["Date"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return None


def _retry_after(headers: Any) -> float | None:
    given = str((headers or {}).get("Retry-After", ""))
    seconds = float(given) if given.isascii() and given.isdigit() else None
    return min(seconds, _HOLD_SECONDS) if seconds is not None else None


def _code(text: str) -> int:
    try:
        return int(json.loads(text)["code"])
    except (ValueError, KeyError, TypeError):
        return 0


def _refused_page(error: Exception) -> Response | None:
    """What Twilio answered when a list was asked for: twilio raises a plain exception then."""
    found = error.args[1] if len(error.args) > 1 else None
    return found if isinstance(found, Response) and found.status_code >= 300 else None


def _refused(status: int, code: int | None) -> NoReturn:
    # The message may repeat a phone number; the code says the same, and is documented.
    said = f"Twilio answered {status}, error {code}"
    if code in _HOLD or status in (401, 403, 404) or status < 400:
        raise SendUnavailable(said, retry_after=_HOLD_SECONDS) from None
    if status >= 500 or status == 408:
        raise SendUnknown(said) from None
    if code == status:  # no code of Twilio's: something on the way answered
        raise SendUnavailable(said) from None
    raise SendRefused(said, code=code or 0, status=status) from None


def _failed(error: Exception, was_sent: bool) -> NoReturn:
    said = f"Twilio: {type(error).__name__}"
    if not was_sent:
        raise SendUnavailable(said) from error
    raise SendUnknown(said, gave_up=isinstance(error, asyncio.TimeoutError)) from error
