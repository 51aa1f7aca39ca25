"""What has to change so that texts to a number come to us. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from connectors.registration import OwnedNumber, Registration, Service
from connectors.wire import STATUS_PATH
from connectors.wiring import is_ours, webhook

NUMBER, SERVICE, ASSISTANT = "number", "service", "assistant"
ANSWERS = "answers"  # the field of an assistant: does it answer the number?

Value = str | bool


@dataclass(frozen=True)
class Change:
    """One field of a number or a Messaging Service (`id` is its SID), or of an assistant's file."""

    of: str
    id: str
    field: str
    before: Value
    after: Value

    def __str__(self) -> str:
        return f"{self.of} {self.id}  {self.field}: {_shown(self.before)} -> {_shown(self.after)}"


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value or "(none)"


def changes(found: Registration, public_url: str) -> list[Change]:
    """At Twilio, in the order in which they are made; none if all is as it should be."""
    assert found.owned is not None  # others are refused before
    wanted = list(_of_number(found.owned, public_url))
    if found.service:
        wanted += _of_service(found.service, public_url)
    return [change for change in wanted if change.before != change.after]


def _of_number(number: OwnedNumber, public_url: str) -> Iterator[Change]:
    # The fallback is the same door: Twilio asks it anew when the first tries have all failed.
    url = webhook(public_url)
    yield Change(NUMBER, number.sid, "sms_url", number.sms_url, url)
    yield Change(NUMBER, number.sid, "sms_method", number.sms_method, "POST")
    yield Change(NUMBER, number.sid, "sms_fallback_url", number.sms_fallback_url, url)
    yield Change(NUMBER, number.sid, "sms_fallback_method", number.sms_fallback_method, "POST")
    yield Change(NUMBER, number.sid, "sms_application_sid", number.sms_application_sid, "")


def _of_service(service: Service, public_url: str) -> Iterator[Change]:
    if not service.defers_to_number and not is_ours(service.inbound_url, public_url):
        yield Change(SERVICE, service.sid, "use_inbound_webhook_on_number", False, True)
    if not service.status_url:
        # For Twilio's own answers to STOP and HELP; our messages name their address themselves.
        yield Change(SERVICE, service.sid, "status_callback", "", public_url + STATUS_PATH)


def warnings(found: Registration, planned: list[Change]) -> list[str]:
    """What somebody should know before saying yes."""
    service = found.service
    defers = any(change.field == "use_inbound_webhook_on_number" for change in planned)
    if service is None or not defers or service.numbers < 2:
        return []
    return [
        f"The Service has {service.numbers} numbers. From then on texts to each of them go to the "
        "number's own webhook; import the others, too, or see that theirs is right."
    ]


def undone(made: list[Change], now: dict[tuple[str, str, str], Value]) -> list[Change]:
    """The way back, last change first. What somebody has changed since stays as it is."""
    return [
        Change(each.of, each.id, each.field, each.after, each.before)
        for each in reversed(made)
        if now.get((each.of, each.id, each.field)) == each.after
    ]


def together(first: list[Change], later: list[Change]) -> list[Change]:
    """Two imports as one: what was there before the first, and what is there after the second."""
    merged = {(each.of, each.id, each.field): each for each in first}
    for each in later:
        known = merged.get((each.of, each.id, each.field), each)
        merged[each.of, each.id, each.field] = Change(
            each.of, each.id, each.field, known.before, each.after
        )
    return [each for each in merged.values() if each.before != each.after]


def state(found: Registration) -> dict[tuple[str, str, str], Value]:
    """What stands at Twilio now, by the names that changes have."""
    at: dict[tuple[str, str, str], Value] = {}
    if number := found.owned:
        for field in ("sms_url", "sms_method", "sms_fallback_url", "sms_fallback_method"):
            at[NUMBER, number.sid, field] = getattr(number, field)
        at[NUMBER, number.sid, "sms_application_sid"] = number.sms_application_sid
    if service := found.service:
        at[SERVICE, service.sid, "use_inbound_webhook_on_number"] = service.defers_to_number
        at[SERVICE, service.sid, "status_callback"] = service.status_url
    return at
