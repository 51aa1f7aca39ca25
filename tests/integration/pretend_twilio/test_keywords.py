"""STOP, START and HELP, as Twilio obeys them before a business hears of it."""

from __future__ import annotations

from typing import Any

import pytest

from local.pretend_twilio.optouts import HELPED, STARTED, STOPPED
from tests.integration.pretend_twilio.callers import Phone, client_of, code_of, send
from tests.pretend_business import (
    CUSTOMER,
    SECOND_BUSINESS,
    WAIT_S,
    Business,
    open_twilio,
    pretend_config,
)

pytestmark = pytest.mark.integration


def test_stop_blocks_until_start(business: Business, phone: Phone, twilio: Any) -> None:
    phone.texts(" stop ")
    assert code_of(twilio) == (400, 21610)
    assert twilio.messages.create(to=CUSTOMER, from_=SECOND_BUSINESS, body="Another number").sid
    phone.texts("STOP")
    phone.texts("help")
    phone.texts("Start")
    assert send(twilio).sid
    said = [m["body"] for m in phone.messages() if m["automatic"]]
    assert said == [STOPPED, STARTED]
    forwarded = [business.texts.get(timeout=WAIT_S).form["Body"] for _ in range(4)]
    assert forwarded == [" stop ", "STOP", "help", "Start"]


def test_words_that_are_no_keywords_change_nothing(phone: Phone, twilio: Any) -> None:
    for body in ("stop please", "YES", "Don't stop"):
        phone.texts(body)
    phone.texts("HELP")
    assert send(twilio).sid
    assert [m["body"] for m in phone.messages() if m["automatic"]] == [HELPED]


def test_toll_free_carriers_do_not_know_yes(business: Business) -> None:
    toll_free = "+18335550100"
    with open_twilio(pretend_config(business.url, numbers=(toll_free,))) as url:
        phone, twilio = Phone(url), client_of(url)
        phone.texts("STOP", to=toll_free)
        phone.texts("YES", to=toll_free)
        assert code_of(twilio, from_=toll_free) == (400, 21610)
        phone.texts("UNSTOP", to=toll_free)
        assert twilio.messages.create(to=CUSTOMER, from_=toll_free, body="Hello").sid


def test_short_codes_are_left_to_the_business(business: Business) -> None:
    with open_twilio(pretend_config(business.url, numbers=("55501",))) as url:
        Phone(url).texts("STOP", to="55501")
        assert client_of(url).messages.create(to=CUSTOMER, from_="55501", body="Hello").sid
