"""How Twilio's REST API is called: one client, threads for its blocking calls, errors by kind."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn, TypeVar

import requests
from requests.adapters import HTTPAdapter
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from urllib3.exceptions import MaxRetryError, NewConnectionError, SSLError

from connectors.errors import SendRefused, SendUnavailable, SendUnknown
from connectors.settings import Twilio

CALLS_AT_ONCE = 16

# Nothing is wrong with the request; somebody has to mend the account or wait.
_HOLD = frozenset({20003, 20005, 20006, 20404, 21611, 60728, 63038})
_HOLD_SECONDS = 60.0

_T = TypeVar("_T")

# It writes phone numbers into the log at INFO.
logging.getLogger("twilio.http_client").setLevel(logging.WARNING)


class TwilioClient:
    """twilio's own client, in threads. `rest` is for the rooms that know the resources."""

    def __init__(self, settings: Twilio, timeout: float) -> None:
        self._threads = ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="twilio")
        self._http = _HttpClient(timeout)
        user, password = settings.credentials
        # A non-empty environment keeps the client from reading the real one: an edge or region
        # set there would change the host.
        self.rest = Client(
            user, password, settings.account_sid, http_client=self._http, environment={"": ""}
        )
        if settings.api_base_url:
            self.rest.api.base_url = settings.api_base_url
            self.rest.messaging.base_url = settings.api_base_url

    async def call(self, ask: Callable[[], _T]) -> _T:
        """Run a blocking request.

        Raises SendRefused (Twilio will never do it), SendUnavailable (it did not do it) or
        SendUnknown (it may have done it).
        """
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, ask)
        except TwilioRestException as error:
            _refused(error.status, error.code)
        except (requests.RequestException, TwilioException) as error:
            if page := _refused_page(error):
                _refused(page.status_code, _code(page.text) or page.status_code)
            _failed(error)
        except (ValueError, TypeError, AttributeError) as error:
            # twilio trips over an answer that is not as documented: a proxy's page, half a JSON.
            raise SendUnknown("Twilio's answer cannot be read") from error

    @property
    def clock_ahead_seconds(self) -> float | None:
        """How far our clock was ahead of Twilio's at the last answer; None before the first."""
        return self._http.clock_ahead_seconds

    def close(self) -> None:
        """What is under way in a thread ends with its next request."""
        self._http.closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)


class _HttpClient(TwilioHttpClient):
    """twilio's own, with a pool as large as ours; it keeps Retry-After and looks at Date."""

    clock_ahead_seconds: float | None = None
    closed = False

    def __init__(self, timeout: float) -> None:
        super().__init__(timeout=timeout)
        adapter = HTTPAdapter(pool_maxsize=CALLS_AT_ONCE)
        self.session.mount("https://", adapter)
        self.session.mount("http://", adapter)

    def request(self, *args: Any, **kwargs: Any) -> Any:
        if self.closed:
            raise SendUnavailable("this process is about to end")
        response = super().request(*args, **kwargs)
        self.clock_ahead_seconds = _ahead_of(response.headers)
        if response.status_code == 429:
            # twilio's exception drops the headers.
            raise SendUnavailable(
                f"Twilio answered 429, error {_code(response.text)}",
                retry_after=_retry_after(response.headers)
                or (_HOLD_SECONDS if _code(response.text) in _HOLD else None),
            )
        return response


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


def _failed(error: Exception) -> NoReturn:
    said = f"Twilio: {type(error).__name__}"
    if _never_left(error):
        raise SendUnavailable(said) from error
    gave_up = isinstance(error, requests.exceptions.ReadTimeout)
    raise SendUnknown(said, gave_up=gave_up) from error


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
