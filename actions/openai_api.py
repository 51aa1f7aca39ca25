"""An OpenAI-compatible API: JSON there, JSON back, and one more try where that may help.

OpenAI's own library does that for nearly 4 ms of processor time more, which was three fifths of an
answer's in this process, and takes a second and 50 MB to import. We need two of its hundred calls.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import async_timeout
import certifi

from connectors.settings import Model, is_loopback

# A connection that is kept spares the next customer its set-up, which is two ways to and fro.
KEEP_SECONDS = 60.0
# Before the second try, unless the server names a time.
PAUSE_SECONDS = 0.5
_WORTH_ANOTHER_TRY = {408, 409, 429}

# Is told a request's body as it leaves; a second try sends the same.
Sends = Callable[[bytes], None]


class ApiError(Exception):
    """There is no answer. `again_after` is when a second try may help, in seconds; None: never."""

    again_after: float | None = PAUSE_SECONDS


class Unreachable(ApiError):
    """Nothing answers there, or it hung up in the middle."""


class Refused(ApiError):
    """An HTTP error. `code`, `kind` and `param` are the server's own words, if it has any."""

    def __init__(self, status: int, body: bytes, retry_after: str = "") -> None:
        super().__init__(f"HTTP {status}")
        told = _error_in(body)
        self.status = status
        self.code, self.kind, self.param = told.get("code"), told.get("type"), told.get("param")
        if status < 500 and status not in _WORTH_ANOTHER_TRY:
            self.again_after = None
        elif retry_after.isdecimal():
            self.again_after = float(retry_after)


class OpenAiApi:
    """One endpoint and its open connections. Made in the loop that uses it."""

    def __init__(self, model: Model) -> None:
        self._url = model.base_url
        self._proxy = _proxy_for(model.base_url)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, keepalive_timeout=KEEP_SECONDS, ssl=_certificates(model.base_url)
            ),
            headers=_headers(model),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),  # each call has its own
        )

    async def post(
        self, path: str, body: Mapping[str, Any], *, seconds: float, sends: Sends | None = None
    ) -> Any:
        """What comes back, read as JSON. `path` is like "/chat/completions".

        Raises ApiError, ValueError for what is no JSON, and asyncio.TimeoutError after so many
        seconds, both tries and the pause included. Where the pause is longer, there is one try.
        """
        end = time.monotonic() + seconds
        async with async_timeout.timeout(seconds):
            sent = _as_bytes(body)
            if sends:
                sends(sent)
            try:
                return json.loads(await self._once(path, sent))
            except ApiError as error:
                if error.again_after is None or time.monotonic() + error.again_after >= end:
                    raise
                await asyncio.sleep(error.again_after)
            return json.loads(await self._once(path, sent))

    async def close(self) -> None:
        await self._session.close()

    async def _once(self, path: str, sent: bytes) -> bytes:
        try:
            async with self._session.post(
                self._url + path, data=sent, proxy=self._proxy
            ) as response:
                body = await response.read()
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(type(error).__name__) from error
        if response.status >= 400:
            raise Refused(response.status, body, response.headers.get("Retry-After", ""))
        return body


def _as_bytes(body: Mapping[str, Any]) -> bytes:
    """Half an emoji, which is no text, becomes a question mark."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="replace")


def _headers(model: Model) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if urlsplit(model.base_url).username is None:  # else that user and password say who we are
        headers["Authorization"] = f"Bearer {model.api_key}"
    return headers


def _proxy_for(base_url: str) -> str | None:
    """The machine's. A proxy for the outside world cannot reach our own loopback."""
    url = urlsplit(base_url)
    if is_loopback(base_url) or urllib.request.proxy_bypass(url.hostname or ""):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(url.scheme) or proxies.get("all")


def _certificates(base_url: str) -> ssl.SSLContext | bool:
    """What the machine trusts, and Mozilla's list: some Pythons come without any."""
    if urlsplit(base_url).scheme != "https":
        return True
    trusted = ssl.create_default_context()
    trusted.load_verify_locations(certifi.where())
    return trusted


def _error_in(body: bytes) -> Mapping[str, Any]:
    """OpenAI's words for an error; some compatible servers leave the object around it out."""
    try:
        told = json.loads(body)
        error = told.get("error", told)
    except (ValueError, AttributeError):
        return {}
    return error if isinstance(error, dict) else {}
