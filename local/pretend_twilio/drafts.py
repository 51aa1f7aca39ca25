"""What a `POST Messages` asks for, and whether Twilio would take it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from connectors.segments import MAX_CHARACTERS
from local.pretend_twilio.errors import Refusal

E164 = re.compile(r"\+[1-9]\d{6,14}")
SENDER = re.compile(r"\+[1-9]\d{6,14}|\d{5,6}")

_MAX_URL = 4000
_MAX_MEDIA = 10
_MAX_VALIDITY_S = 36_000

# Twilio's own magic numbers.
_GOOD_SENDER = "+15005550006"
_MAGIC_FROM = {"+15005550001": 21212, "+15005550007": 21606, "+15005550008": 21611}
_MAGIC_TO = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}


@dataclass(frozen=True)
class Draft:
    to: str
    sender: str
    service: str
    body: str
    media_urls: tuple[str, ...]
    status_callback: str
    validity_period: str


Check = Callable[[Draft, tuple[str, ...]], bool]

# In the order in which they are looked at: (code, what is wrong with the draft for these numbers).
_CHECKS: tuple[tuple[int, Check], ...] = (
    (21604, lambda draft, ours: not draft.to),
    (21211, lambda draft, ours: not E164.fullmatch(draft.to)),
    (21603, lambda draft, ours: not draft.sender and not draft.service),
    (21701, lambda draft, ours: bool(draft.service)),  # this account has no Messaging Service yet
    (21212, lambda draft, ours: not SENDER.fullmatch(draft.sender)),
    (21606, lambda draft, ours: not is_ours(draft.sender, ours)),
    (21266, lambda draft, ours: draft.to == draft.sender),
    (21602, lambda draft, ours: not draft.body.strip() and not draft.media_urls),
    (21617, lambda draft, ours: utf16_units(draft.body) > MAX_CHARACTERS),
    (21623, lambda draft, ours: len(draft.media_urls) > _MAX_MEDIA),
    (21620, lambda draft, ours: not all(map(is_web_address, draft.media_urls))),
    (21609, lambda draft, ours: not is_callback(draft.status_callback)),
    (30045, lambda draft, ours: not is_validity(draft.validity_period)),
)


def read_draft(body: bytes) -> Draft:
    """The posted form. Raises Refusal when it is not one."""
    try:
        form = parse_qs(body.decode(), keep_blank_values=True, errors="strict")
    except ValueError:
        raise Refusal(20001) from None
    return Draft(
        to=_last(form, "To"),
        sender=_last(form, "From"),
        service=_last(form, "MessagingServiceSid"),
        body=_last(form, "Body"),
        media_urls=tuple(form.get("MediaUrl", ())),
        status_callback=_last(form, "StatusCallback"),
        validity_period=_last(form, "ValidityPeriod"),
    )


def refusal_of(draft: Draft, ours: tuple[str, ...]) -> int | None:
    """Twilio's error code for this draft, None if it is fine. Opt-outs are looked up elsewhere."""
    if draft.sender in _MAGIC_FROM:
        return _MAGIC_FROM[draft.sender]
    if draft.to in _MAGIC_TO:
        return _MAGIC_TO[draft.to]
    return next((code for code, is_wrong in _CHECKS if is_wrong(draft, ours)), None)


def is_ours(sender: str, ours: tuple[str, ...]) -> bool:
    return sender in ours or sender == _GOOD_SENDER


def is_web_address(url: str) -> bool:
    if not url.isascii() or any(character.isspace() for character in url):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def is_callback(url: str) -> bool:
    """None at all, or an absolute address that Twilio would call. Loopback is, for once."""
    if not url:
        return True
    return (
        len(url) <= _MAX_URL and is_web_address(url) and "_" not in (urlsplit(url).hostname or "")
    )


def is_validity(seconds: str) -> bool:
    if not seconds:
        return True
    is_whole = seconds.isascii() and seconds.isdigit() and len(seconds) <= 9
    return is_whole and 1 <= int(seconds) <= _MAX_VALIDITY_S


def utf16_units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _last(form: Mapping[str, list[str]], name: str) -> str:
    return form.get(name, [""])[-1]
