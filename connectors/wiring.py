"""Where the texts to a number of ours go at Twilio, and where they should go. Pure."""

from __future__ import annotations

from connectors.registration import OwnedNumber, Registration, Service
from connectors.wire import WEBHOOK_PATH

# What Twilio does when a webhook fails: two more tries, of which each has 2 s to connect and 4 s to
# be answered, within its 15 s for all. Without this it tries only once where nobody answers, and
# never again after a 503. A fragment is not sent, and not signed.
OVERRIDES = "#rc=2&rp=ct,rt,5xx&ct=2000&rt=4000&tt=15000"


def webhook(public_url: str) -> str:
    """The address that Twilio has to be told for texts, and to fall back on."""
    return f"{public_url}{WEBHOOK_PATH}{OVERRIDES}"


def is_ours(url: str, public_url: str) -> bool:
    return url.partition("#")[0] == f"{public_url}{WEBHOOK_PATH}"


def astray(found: Registration, public_url: str) -> str | None:
    """Where texts to the number go instead of to us, in a sentence; None if they come."""
    if found.owned is None:
        return None  # nothing to be said beyond that
    if found.service and not found.service.defers_to_number:
        return _by_service(found.service, public_url)
    return _by_number(found.owned, public_url)


def _by_service(service: Service, public_url: str) -> str | None:
    if not service.inbound_url:
        return (
            f"its Messaging Service {service.sid} drops incoming texts: it neither defers to the "
            "number's webhook nor has one"
        )
    if not is_ours(service.inbound_url, public_url):
        return f"its Messaging Service {service.sid} sends them to {_host(service.inbound_url)}"
    return None


def _by_number(number: OwnedNumber, public_url: str) -> str | None:
    if number.sms_application_sid:
        return f"the TwiML app {number.sms_application_sid} takes them, whatever its webhook says"
    if not number.sms_url:
        return "it has no webhook for messages"
    if not is_ours(number.sms_url, public_url):
        return f"its webhook is {_host(number.sms_url)}"
    if number.sms_method != "POST":
        return f"its webhook is asked by {number.sms_method}, and takes only POST"
    return None


def _host(url: str) -> str:
    """The address without what may be secret in it."""
    return url.partition("#")[0].partition("?")[0].rpartition("@")[2]
