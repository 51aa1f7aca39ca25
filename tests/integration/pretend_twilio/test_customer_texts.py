"""A customer texts: what the business is posted, and what the customer is shown."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from local.ports import free_port
from local.pretend_twilio.webhooks import signature
from tests.integration.pretend_twilio.callers import Phone, callback_of, is_signed, reports, send
from tests.pretend_business import (
    ACCOUNT,
    BUSINESS,
    CUSTOMER,
    TOKEN,
    WAIT_S,
    Business,
    open_twilio,
    pretend_config,
)

pytestmark = pytest.mark.integration


def test_a_text_reaches_the_business_as_twilio_posts_it(business: Business, phone: Phone) -> None:
    reply = phone.texts("Hëllo & good = morning +1 😀")
    assert reply["answer"] == {
        "taken": True,
        "status": 204,
        "code": None,
        "words": "taken by the business: 204",
    }
    post = business.texts.get(timeout=WAIT_S)
    assert is_signed(post)
    assert post.form == {
        "ToCountry": "US",
        "ToState": "",
        "ToCity": "",
        "ToZip": "",
        "FromCountry": "US",
        "FromState": "",
        "FromCity": "",
        "FromZip": "",
        "SmsMessageSid": reply["sid"],
        "SmsSid": reply["sid"],
        "MessageSid": reply["sid"],
        "SmsStatus": "received",
        "NumMedia": "0",
        "NumSegments": "1",
        "ReferralNumMedia": "0",
        "AccountSid": ACCOUNT,
        "ApiVersion": "2010-04-01",
        "From": CUSTOMER,
        "To": BUSINESS,
        "Body": "Hëllo & good = morning +1 😀",
    }
    assert post.headers["user-agent"] == "TwilioProxy/1.1"
    assert post.headers["i-twilio-idempotency-token"]
    assert post.headers["content-type"].startswith("application/x-www-form-urlencoded")


def test_a_picture_without_words_has_an_empty_body(business: Business, phone: Phone) -> None:
    picture = {"content_type": "image/png", "url": "http://127.0.0.1:9/cat.png"}
    assert phone.texts("", media=[picture])["sid"].startswith("MM")
    post = business.texts.get(timeout=WAIT_S)
    assert is_signed(post)
    assert (post.form["Body"], post.form["NumMedia"]) == ("", "1")
    assert post.form["MediaUrl0"] == picture["url"]
    assert post.form["MediaContentType0"] == "image/png"


def test_the_customer_sees_both_directions_in_order(
    business: Business, phone: Phone, twilio: Any
) -> None:
    phone.texts("Are you open?")
    send(twilio, "Yes.", status_callback=callback_of(business))
    reports(business, 3)
    Phone(phone.url, "+15550108888").texts("somebody else")
    asked, told = phone.messages()
    assert (asked["direction"], asked["body"], asked["status"]) == (
        "inbound",
        "Are you open?",
        "received",
    )
    assert asked["answer"]["taken"] is True
    assert (told["direction"], told["body"], told["status"]) == ("outbound", "Yes.", "delivered")
    assert (told["segments"], told["encoding"], told["error"]) == (1, "GSM-7", None)


def test_a_refused_text_is_told_as_refused_and_not_repeated(
    business: Business, phone: Phone
) -> None:
    business.status = 503
    answer = phone.texts("Hello?")["answer"]
    assert (answer["taken"], answer["status"], answer["code"]) == (False, 503, 11200)
    assert answer["words"] == "not delivered to the business: 503"
    assert phone.messages()[0]["answer"] == answer
    assert business.texts.qsize() == 1


def test_a_business_that_is_away_is_told_as_away() -> None:
    with open_twilio(pretend_config(f"http://127.0.0.1:{free_port()}")) as url:
        answer = Phone(url).texts("Hello?")["answer"]
    assert (answer["taken"], answer["status"], answer["code"]) == (False, None, 11205)


def test_a_business_that_is_too_slow_has_not_answered(business: Business) -> None:
    business.open.clear()
    with open_twilio(pretend_config(business.url, webhook_timeout_s=0.3)) as url:
        answer = Phone(url).texts("Hello?")["answer"]
    assert (answer["taken"], answer["code"]) == (False, 11200)
    assert answer["words"] == "not delivered to the business: no answer in 0.3 s"
    assert business.texts.qsize() == 1


@contextmanager
def hanging_up() -> Iterator[tuple[int, queue.Queue[None]]]:
    """A port that takes connections and closes them at once; the queue has one entry for each."""
    calls: queue.Queue[None] = queue.Queue()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    caller, _ = server.accept()
                except OSError:
                    return
                calls.put(None)
                # Read first: to close with unread bytes would be a reset instead of an end.
                caller.recv(65536)
                caller.close()

        threading.Thread(target=answer, daemon=True).start()
        yield server.getsockname()[1], calls
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("scheme", "attempts"), [("http", 1), ("https", 2)], ids=["answer cut", "no TLS"]
)
def test_only_a_failed_connection_is_tried_again(scheme: str, attempts: int) -> None:
    with hanging_up() as (port, calls):
        with open_twilio(pretend_config(f"{scheme}://127.0.0.1:{port}")) as url:
            assert Phone(url).texts("Hello?")["answer"]["taken"] is False
        assert calls.qsize() == attempts


def test_a_caller_who_hangs_up_does_not_take_back_the_text(
    business: Business, phone: Phone
) -> None:
    business.open.clear()
    with phone.listening() as events:
        assert next(events)[0] == "snapshot"
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                f"{phone.url}/phone/texts",
                json={"from": CUSTOMER, "to": BUSINESS, "body": "Hello?"},
                timeout=0.3,
            )
        business.open.set()
        assert next(events)[1]["answer"] is None
        assert next(events)[1]["answer"]["taken"] is True


def test_events_begin_with_what_is_known_and_go_on_live(
    business: Business, phone: Phone, twilio: Any
) -> None:
    phone.texts("Hello")
    with phone.listening() as events:
        name, snapshot = next(events)
        assert name == "snapshot"
        assert [m["body"] for m in snapshot["messages"]] == ["Hello"]
        Phone(phone.url, "+15550108888").texts("not for this phone")
        send(twilio, "Good morning")
        seen = [next(events) for _ in range(4)]
    assert {name for name, _ in seen} == {"message"}
    assert {m["body"] for _, m in seen} == {"Good morning"}
    assert [m["status"] for _, m in seen] == ["queued", "sending", "sent", "delivered"]


def test_a_plus_that_was_not_encoded_is_still_a_plus(phone: Phone) -> None:
    phone.texts("Hello")
    found = httpx.get(f"{phone.url}/phone/messages?customer={CUSTOMER}").json()
    assert len(found["messages"]) == 1


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_signatures_are_twilios(form: dict[str, str]) -> None:
    url = "https://example.com/webhooks/twilio_sms/webhook?a=1&b=%20"
    expected = RequestValidator(TOKEN).compute_signature(url, form)
    assert signature(TOKEN, url, form) == expected
