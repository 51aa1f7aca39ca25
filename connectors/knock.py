"""The doctor's knock: a form at which the door may stay calm in its log. Pure.

It opens nothing: what is not signed is refused all the same, and what is signed reports on no
message. Who knows an auth token can make one, and it is fresh for some minutes only.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from connectors.wire import Form

FIELD = "DoctorsKnock"
FRESH_SECONDS = 300


def knock(account_sid: str, token: str, now: float) -> dict[str, str]:
    """The form. `now` is in seconds since 1970."""
    at = str(int(now))
    return {"AccountSid": account_sid, "MessageStatus": "none", FIELD: f"{at}.{_mac(token, at)}"}


def is_knock(form: Form, tokens: Iterable[str], now: float) -> bool:
    """Is this all there is in the form, and is it fresh?"""
    values = form.get(FIELD, [])
    if len(values) != 1 or len(form) > len(knock("", "", 0)):
        return False
    at, _, mac = values[0].partition(".")
    if not (at.isascii() and at.isdigit() and len(at) < 12 and mac.isascii()):
        return False
    known = [hmac.compare_digest(_mac(token, at), mac) for token in tokens]
    return any(known) and abs(now - int(at)) < FRESH_SECONDS


def _mac(token: str, at: str) -> str:
    told = f"the doctor's knock at {at}"
    return hmac.new(token.encode(), told.encode(), hashlib.sha256).hexdigest()
