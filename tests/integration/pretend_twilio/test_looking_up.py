"""A business looks up what it sent and got: filters, dates, pages."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
from twilio.base.exceptions import TwilioRestException

from tests.integration.pretend_twilio.callers import FOREVER_MS, Phone, client_of, send
from tests.pretend_business import (
    ACCOUNT,
    BUSINESS,
    CUSTOMER,
    SECOND_BUSINESS,
    TOKEN,
    Business,
    open_twilio,
    pretend_config,
)

pytestmark = pytest.mark.integration


def test_an_unknown_message_is_not_found(door: str) -> None:
    with pytest.raises(TwilioRestException) as missing:
        client_of(door).messages("SM" + "0" * 32).fetch()
    assert (missing.value.status, missing.value.code) == (404, 20404)


def test_pages_hold_still_while_new_messages_come_in(twilio: Any) -> None:
    for n in range(5):
        send(twilio, f"text {n}")
    listed = twilio.messages.stream(page_size=2)
    first = next(listed)
    send(twilio, "in between")
    assert [first.body, *(m.body for m in listed)] == [f"text {n}" for n in (4, 3, 2, 1, 0)]


def test_lists_can_be_filtered_by_both_ends(twilio: Any, phone: Phone) -> None:
    phone.texts("from the customer")
    send(twilio, "to the customer")
    send(twilio, "to another", to="+15550108888")
    twilio.messages.create(to=CUSTOMER, from_=SECOND_BUSINESS, body="from the other number")

    def bodies(**filters: object) -> list[str]:
        return [m.body for m in twilio.messages.list(**filters, page_size=1)]

    assert bodies(to=CUSTOMER) == ["from the other number", "to the customer"]
    assert bodies(to=CUSTOMER, from_=BUSINESS) == ["to the customer"]
    assert bodies(to=BUSINESS) == ["from the customer"]
    assert len(twilio.messages.list(limit=3)) == 3


def test_lists_can_be_filtered_by_date(business: Business) -> None:
    noon = datetime(2026, 3, 4, 12, tzinfo=timezone.utc)
    today = [noon]
    config = pretend_config(business.url, clock=lambda: today[0])
    with open_twilio(config) as url:
        twilio = client_of(url)
        for hours in (0, 1, 24):
            today[0] = noon + timedelta(hours=hours, milliseconds=700)
            Phone(url).texts(f"after {hours} h")

        def bodies(**filters: object) -> list[str]:
            return [m.body for m in twilio.messages.list(**filters)]

        assert bodies(date_sent_after=noon + timedelta(hours=1)) == ["after 24 h", "after 1 h"]
        assert bodies(date_sent_before=noon + timedelta(hours=1)) == ["after 1 h", "after 0 h"]
        assert bodies(date_sent=date(2026, 3, 5)) == ["after 24 h"]
        assert bodies(date_sent_after=date(2026, 3, 6)) == []


def test_what_is_still_queued_has_no_date_to_be_found_by(business: Business) -> None:
    with open_twilio(pretend_config(business.url, queued_ms=FOREVER_MS)) as url:
        twilio = client_of(url)
        send(twilio)
        assert len(twilio.messages.list(to=CUSTOMER)) == 1
        assert twilio.messages.list(to=CUSTOMER, date_sent_after=date(2020, 1, 1)) == []


@pytest.mark.parametrize("query", ["DateSent=yesterday", "PageSize=x", "DateSent>=2026-13-01"])
def test_a_filter_that_makes_no_sense_is_refused(door: str, query: str) -> None:
    address = f"{door}/2010-04-01/Accounts/{ACCOUNT}/Messages.json?{query}"
    refused = httpx.get(address, auth=(ACCOUNT, TOKEN))
    assert (refused.status_code, refused.json()["code"]) == (400, 20001)


def test_numbers_are_found_by_a_part_of_them(twilio: Any, business: Business) -> None:
    found = twilio.incoming_phone_numbers.list(phone_number=BUSINESS)
    assert [n.phone_number for n in found] == [BUSINESS]
    assert found[0].sid.startswith("PN")
    assert found[0].capabilities["sms"] is True
    assert found[0].sms_url == f"{business.url}/webhooks/twilio_sms/webhook"
    partly = twilio.incoming_phone_numbers.list(phone_number="555010000")
    assert [n.phone_number for n in partly] == [BUSINESS, SECOND_BUSINESS]
    assert len(twilio.incoming_phone_numbers.list()) == 2
    assert twilio.incoming_phone_numbers.list(phone_number="+19995550000") == []
