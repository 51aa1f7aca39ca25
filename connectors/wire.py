"""What Twilio posts: is it signed, and what does it say? Pure functions of bytes."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from twilio.request_validator import RequestValidator

from connectors.errors import Unreadable

# Where Rasa puts the routes of a channel called twilio_sms.
HEALTH_PATH = "/webhooks/twilio_sms/"
WEBHOOK_PATH = "/webhooks/twilio_sms/webhook"
STATUS_PATH = "/webhooks/twilio_sms/status"

MAX_BODY_BYTES = 64 * 1024
# A real webhook has about 20 fields, with ten pictures about 40; Twilio adds more without notice.
MAX_FIELDS = 200

_MESSAGE_SID = re.compile(r"(SM|MM)[0-9a-fA-F]{32}")
_ADDRESS_LENGTH = 64
_SURROGATE = re.compile("[\ud800-\udfff]")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Form(dict[str, list[str]]):
    """A posted form: name to values, blank ones kept, because Twilio signs those too.

    Bytes that are not UTF-8 survive as surrogates, so that the signature can be checked first
    and the form refused afterwards.
    """

    @classmethod
    def parse(cls, raw: bytes) -> Form:
        form = cls()
        text = raw.decode("utf-8", "surrogateescape")
        for name, value in parse_qsl(text, keep_blank_values=True, errors="surrogateescape"):
            form.setdefault(name, []).append(value)
        return form

    def getall(self, name: str) -> list[str]:
        """The name under which twilio's validator asks first for all values of a field."""
        return self[name]

    def one(self, name: str) -> str:
        """The value of a field, "" if it is absent. Raises Unreadable if there are several."""
        values = self.get(name, [""])
        if len(values) > 1:
            raise Unreadable(f"{name} is given {len(values)} times")
        return values[0]


@dataclass(frozen=True)
class InboundText:
    """One text from a customer. `media` counts pictures and other attachments.

    `opt_out_type` is STOP, START or HELP when Twilio's Advanced Opt-Out heard and answered it.
    """

    sid: str
    customer: str
    business: str
    body: str
    media: int = 0
    opt_out_type: str = ""


@dataclass(frozen=True)
class StatusReport:
    """What became of one of our messages: Twilio's status word, and an error code or "".

    `business` is the number that it was sent from, `customer` the one that it was sent to, as far
    as the report says.
    """

    sid: str
    status: str
    error_code: str
    part_id: str
    business: str = ""
    customer: str = ""


def is_signed(tokens: Iterable[str], url: str, form: Form, signature: str | None) -> bool:
    """Did somebody who knows one of the tokens sign this form for this URL?

    Twilio signs the URL with or without its port. As it was given is tried first: its own
    `validate` computes both each time, which takes as long as all else that is done with a form.
    """
    if not signature or not form:
        return False
    given = signature.encode(errors="surrogateescape")
    validators = [RequestValidator(token) for token in tokens]
    try:
        return any(
            hmac.compare_digest(validator.compute_signature(spelling, form).encode(), given)
            for spelling in _spellings(url)
            for validator in validators
        )
    except UnicodeEncodeError:
        return False  # bytes that are not UTF-8: Twilio sends none, so nobody signed this


def _spellings(url: str) -> Iterator[str]:
    """The URL as given, then with its port left out, or its default one put in."""
    yield url
    parts = urlsplit(url)
    if parts.port:
        netloc = parts.netloc.rpartition(":")[0]
    else:
        netloc = f"{parts.netloc}:{_DEFAULT_PORTS.get(parts.scheme, 80)}"
    yield urlunsplit(parts._replace(netloc=netloc))


def read_inbound(form: Form, account_sid: str) -> InboundText:
    """The text in a signed form.

    Raises Unreadable, which says what is missing or wrong.
    """
    _check_form(form)
    media = form.one("NumMedia") or "0"
    if not (media.isascii() and media.isdigit() and len(media) <= 3):
        raise Unreadable("NumMedia is not a number")
    if form.one("AccountSid") not in ("", account_sid):
        raise Unreadable("AccountSid is another account's")
    return InboundText(
        sid=_message_sid(form),
        customer=_address(form, "From"),
        business=_address(form, "To"),
        body=form.one("Body"),
        media=int(media),
        opt_out_type=form.one("OptOutType"),
    )


def read_status(form: Form, part_id: str) -> StatusReport:
    """The delivery report in a signed form. Raises Unreadable."""
    _check_form(form)
    status = form.one("MessageStatus") or form.one("SmsStatus")
    if not status:
        raise Unreadable("MessageStatus is missing")
    return StatusReport(
        sid=_message_sid(form),
        status=status,
        error_code=form.one("ErrorCode"),
        part_id=part_id,
        business=form.one("From"),
        customer=form.one("To"),
    )


def _check_form(form: Form) -> None:
    if sum(len(values) for values in form.values()) > MAX_FIELDS:
        raise Unreadable(f"more than {MAX_FIELDS} fields")
    for name, values in form.items():
        for text in (name, *values):
            if _SURROGATE.search(text):
                raise Unreadable("not UTF-8")


def _message_sid(form: Form) -> str:
    sid = form.one("MessageSid")
    if not _MESSAGE_SID.fullmatch(sid):
        raise Unreadable("MessageSid is missing" if not sid else "MessageSid is malformed")
    return sid


def _address(form: Form, name: str) -> str:
    address = form.one(name).strip()
    if not address:
        raise Unreadable(f"{name} is missing")
    if len(address) > _ADDRESS_LENGTH or not address.isprintable():
        raise Unreadable(f"{name} is not a number")
    return address
