"""What a business sends by the pretend Twilio: taken, refused, billed and reported as by Twilio."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest

from tests.integration.pretend_twilio.callers import (
    FOREVER_MS,
    Phone,
    callback_of,
    client_of,
    code_of,
    is_signed,
    reports,
    send,
)
from tests.pretend_business import (
    ACCOUNT,
    BUSINESS,
    CUSTOMER,
    OLD_TOKEN,
    TOKEN,
    WAIT_S,
    Business,
    open_twilio,
    pretend_config,
)

pytestmark = pytest.mark.integration


def test_a_new_message_looks_like_twilios(business: Business) -> None:
    with open_twilio(pretend_config(business.url, queued_ms=FOREVER_MS)) as url:
        message = send(client_of(url), "Grüße ^^")
        fetched = client_of(url).messages(message.sid).fetch()
    assert message.sid.startswith("SM")
    assert len(message.sid) == 34
    assert (message.from_, message.to, message.body) == (BUSINESS, CUSTOMER, "Grüße ^^")
    assert (message.status, message.direction) == ("queued", "outbound-api")
    assert (message.num_segments, message.num_media) == ("1", "0")
    assert (message.account_sid, message.api_version) == (ACCOUNT, "2010-04-01")
    assert abs(message.date_created - datetime.now(timezone.utc)) < timedelta(seconds=5)
    assert (message.date_sent, message.error_code, message.price) == (None, None, None)
    assert message.uri == f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{message.sid}.json"
    assert fetched.body == message.body


def test_every_step_but_the_first_is_reported_and_signed(business: Business, twilio: Any) -> None:
    sid = send(twilio, status_callback=callback_of(business)).sid
    posts = reports(business, 3)
    assert [post.form["MessageStatus"] for post in posts] == ["sending", "sent", "delivered"]
    assert all(is_signed(post) for post in posts)
    assert not any(is_signed(post, OLD_TOKEN) for post in posts)
    last = posts[-1].form
    assert last.pop("RawDlrDoneDate").isdigit()
    assert last == {
        "MessageSid": sid,
        "SmsSid": sid,
        "MessageStatus": "delivered",
        "SmsStatus": "delivered",
        "AccountSid": ACCOUNT,
        "From": BUSINESS,
        "To": CUSTOMER,
        "ApiVersion": "2010-04-01",
    }
    message = twilio.messages(sid).fetch()
    assert message.status == "delivered"
    assert message.date_sent is not None


def test_a_slow_business_delays_reports_and_nothing_else(business: Business) -> None:
    business.open.clear()
    # `sent` lasts long enough for its report to come too early, if it could.
    with open_twilio(pretend_config(business.url, sent_ms=200)) as url:
        with Phone(url).listening() as events:
            send(client_of(url), status_callback=callback_of(business))
            first = business.reports.get(timeout=WAIT_S)
            assert first.form["MessageStatus"] == "sending"
            assert any(name == "message" and m["status"] == "delivered" for name, m in events)
        assert business.reports.empty()
        business.open.set()
        assert [p.form["MessageStatus"] for p in reports(business, 2)] == ["sent", "delivered"]


@pytest.mark.parametrize(
    ("to", "ending", "code"),
    [("+15005550010", "failed", 30008), ("+15005550016", "undelivered", 30034)],
)
def test_some_numbers_are_never_reached(
    business: Business, twilio: Any, to: str, ending: str, code: int
) -> None:
    sid = send(twilio, to=to, status_callback=callback_of(business)).sid
    while (post := business.reports.get(timeout=WAIT_S)).form["MessageStatus"] != ending:
        assert "ErrorCode" not in post.form
    assert post.form["ErrorCode"] == str(code)
    message = twilio.messages(sid).fetch()
    assert (message.status, message.error_code) == (ending, code)


@pytest.mark.parametrize(
    ("body", "segments"),
    [("a" * 160, "1"), ("a" * 161, "2"), ("é" * 160, "1"), ("€" * 81, "2"), ("😀" * 36, "2")],
)
def test_segments_are_counted_as_twilio_bills_them(door: str, body: str, segments: str) -> None:
    assert send(client_of(door), body, to="+15550107777").num_segments == segments


def test_a_picture_is_an_mms(twilio: Any) -> None:
    message = twilio.messages.create(
        to=CUSTOMER, from_=BUSINESS, media_url=["http://127.0.0.1:9/a.png", "http://127.0.0.1:9/b"]
    )
    assert message.sid.startswith("MM")
    assert message.num_media == "2"


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"to": ""}, 21604),
        ({"to": "12345"}, 21211),
        ({"to": "+1555010999x"}, 21211),
        ({"to": BUSINESS}, 21266),
        ({"from_": ""}, 21603),
        ({"from_": "nobody"}, 21212),
        ({"from_": "+15550100009"}, 21606),
        ({"body": ""}, 21602),
        ({"body": "a" * 1601}, 21617),
        ({"body": "😀" * 801}, 21617),
        ({"media_url": ["http://127.0.0.1/a"] * 11}, 21623),
        ({"media_url": ["not an address"]}, 21620),
        ({"status_callback": "status"}, 21609),
        ({"status_callback": "http://under_score.example/status"}, 21609),
        ({"status_callback": "http://127.0.0.1/" + "a" * 4000}, 21609),
        ({"validity_period": 0}, 30045),
        ({"validity_period": 36_001}, 30045),
        # Twilio's own magic numbers
        ({"from_": "+15005550001"}, 21212),
        ({"from_": "+15005550007"}, 21606),
        ({"from_": "+15005550008"}, 21611),
        ({"to": "+15005550001"}, 21211),
        ({"to": "+15005550002"}, 21612),
        ({"to": "+15005550003"}, 21408),
        ({"to": "+15005550004"}, 21610),
        ({"to": "+15005550009"}, 21614),
    ],
)
def test_what_twilio_refuses(door: str, wrong: dict[str, object], expected: int) -> None:
    assert code_of(client_of(door), **wrong) == (400, expected)
    assert Phone(door).messages() == []


def test_the_edges_of_what_twilio_takes(twilio: Any, business: Business) -> None:
    assert send(twilio, "😀" * 800).num_segments == "25"
    assert send(twilio, validity_period=1, status_callback=callback_of(business)).sid
    assert send(twilio, validity_period=36_000, smart_encoded=True).sid
    assert twilio.messages.create(to=CUSTOMER, from_="+15005550006", body="Hello").sid


def test_a_missing_service_is_not_found(door: str) -> None:
    assert code_of(client_of(door), messaging_service_sid="MG" + "0" * 32) == (404, 21701)


def test_an_error_has_twilios_form(door: str) -> None:
    address = f"{door}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    assert httpx.post(address, auth=(ACCOUNT, TOKEN)).json() == {
        "code": 21604,
        "message": "A 'To' phone number is required",
        "more_info": "https://www.twilio.com/docs/errors/21604",
        "status": 400,
    }
    unknown = httpx.get(f"{door}/2010-04-01/Nothing.json")
    assert (unknown.status_code, unknown.json()["code"]) == (404, 20404)
    assert httpx.put(address, auth=(ACCOUNT, TOKEN)).json()["code"] == 20004
