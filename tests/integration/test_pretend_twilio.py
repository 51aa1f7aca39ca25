"""The pretend Twilio from outside: the real client, a real business, real sockets."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from connectors.settings import ROOT
from local.ports import free_port
from local.pretend_twilio.guard import is_loopback
from local.pretend_twilio.optouts import HELPED, STARTED, STOPPED
from local.pretend_twilio.webhooks import signature
from tests.pretend_business import (
    ACCOUNT,
    API_KEY,
    BUSINESS,
    CUSTOMER,
    OLD_TOKEN,
    SECOND_BUSINESS,
    TOKEN,
    WAIT_S,
    Business,
    Post,
    open_business,
    open_twilio,
    pretend_config,
)

pytestmark = pytest.mark.integration

FOREVER_MS = 60_000


def client_of(url: str, *credentials: str) -> Any:
    client = Client(*(credentials or (ACCOUNT, TOKEN)), environment={"_": ""})
    client.api.base_url = url
    return client


@dataclass
class Phone:
    """The customer, by way of the JSON API."""

    url: str
    number: str = CUSTOMER

    def texts(self, body: str, to: str = BUSINESS, **more: object) -> dict[str, Any]:
        told = {"from": self.number, "to": to, "body": body, **more}
        response = httpx.post(f"{self.url}/phone/texts", json=told, timeout=30)
        assert response.status_code == 201, response.text
        reply: dict[str, Any] = response.json()
        return reply

    def messages(self) -> list[dict[str, Any]]:
        found = httpx.get(f"{self.url}/phone/messages", params={"customer": self.number})
        messages: list[dict[str, Any]] = found.json()["messages"]
        return messages

    def bodies(self) -> list[str]:
        return [message["body"] for message in self.messages()]

    @contextmanager
    def listening(self) -> Iterator[Iterator[tuple[str, Any]]]:
        asked = {"customer": self.number}
        with httpx.stream("GET", f"{self.url}/phone/events", params=asked, timeout=WAIT_S) as live:
            yield read_events(live)


def read_events(stream: httpx.Response) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in stream.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        if line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def is_signed(post: Post, token: str = TOKEN) -> bool:
    header = post.headers["x-twilio-signature"]
    return bool(RequestValidator(token).validate(post.url, post.form, header))


@pytest.fixture
def business() -> Iterator[Business]:
    with open_business(Business()) as opened:
        yield opened


@pytest.fixture
def url(business: Business) -> Iterator[str]:
    with open_twilio(pretend_config(business.url)) as opened:
        yield opened


@pytest.fixture(scope="module")
def door() -> Iterator[str]:
    """One pretend Twilio for all tests that it lets nothing in from: its memory stays empty."""
    with open_twilio(pretend_config(f"http://127.0.0.1:{free_port()}")) as opened:
        yield opened


@pytest.fixture
def phone(url: str) -> Phone:
    return Phone(url)


@pytest.fixture
def twilio(url: str) -> Any:
    return client_of(url)


def send(twilio: Any, body: str = "Hello", to: str = CUSTOMER, **more: object) -> Any:
    return twilio.messages.create(to=to, from_=BUSINESS, body=body, **more)


def callback_of(business: Business) -> str:
    return f"{business.url}/status?part=7&of=a%20b"


def reports(business: Business, how_many: int) -> list[Post]:
    return [business.reports.get(timeout=WAIT_S) for _ in range(how_many)]


def code_of(twilio: Any, **message: object) -> tuple[int, int]:
    with pytest.raises(TwilioRestException) as refused:
        twilio.messages.create(**{"to": CUSTOMER, "from_": BUSINESS, "body": "Hello", **message})
    return refused.value.status, refused.value.code


# ---- sending


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


# ---- who may


@pytest.mark.parametrize(
    "credentials", [(ACCOUNT, TOKEN), (ACCOUNT, OLD_TOKEN), (*API_KEY, ACCOUNT)]
)
def test_every_token_and_the_api_key_open_the_account(door: str, credentials: Any) -> None:
    account = client_of(door, *credentials).api.accounts(ACCOUNT).fetch()
    assert (account.sid, account.status) == (ACCOUNT, "active")


@pytest.mark.parametrize(
    ("credentials", "status", "code"),
    [
        ((ACCOUNT, "wrong"), 401, 20003),
        ((API_KEY[0], TOKEN, ACCOUNT), 401, 20003),
        ((*API_KEY, "AC" + "9" * 32), 404, 20404),
    ],
)
def test_nobody_else_gets_in(door: str, credentials: Any, status: int, code: int) -> None:
    assert code_of(client_of(door, *credentials)) == (status, code)


@pytest.mark.parametrize("header", ["", "Basic", "Basic !!!", "Bearer abc", "Basic Og=="])
def test_a_broken_header_is_no_key(door: str, header: str) -> None:
    address = f"{door}/2010-04-01/Accounts/{ACCOUNT}.json"
    refused = httpx.get(address, headers={"Authorization": header})
    assert (refused.status_code, refused.json()["code"]) == (401, 20003)


# ---- looking up


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


# ---- the customer texts


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


# ---- STOP, START, HELP


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


# ---- the phone's door


def test_a_form_from_a_strangers_page_is_not_sent(door: str) -> None:
    phone = Phone(door)
    told = json.dumps({"from": CUSTOMER, "to": BUSINESS, "body": "spam"})
    for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        refused = httpx.post(
            f"{phone.url}/phone/texts", content=told, headers={"Content-Type": content_type}
        )
        assert refused.status_code == 415
    assert phone.messages() == []


@pytest.mark.parametrize("path", ["/", "/phone/messages", "/phone/events", "/health"])
def test_a_name_that_only_points_here_is_refused(door: str, path: str) -> None:
    refused = httpx.get(door + path, headers={"Host": "rebound.example:8010"})
    assert refused.status_code == 403


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("127.0.0.1:8010", True),
        ("localhost", True),
        ("LOCALHOST:8010", True),
        ("[::1]:8010", True),
        ("127.9.9.9", True),
        ("", False),
        ("10.0.0.1:8010", False),
        ("localhost.example", False),
        ("127.0.0.1.example:8010", False),
        ("[::1].example", False),
        ("127.0.0.1@rebound.example", False),
    ],
)
def test_which_hosts_are_this_machine(host: str, is_ours: bool) -> None:
    assert is_loopback(host) is is_ours


@pytest.mark.parametrize(
    "told",
    [
        "not json",
        "[]",
        {"from": "customer"},
        {"from": BUSINESS},
        {"to": "+15550100009"},
        {"body": ""},
        {"body": 7},
        {"body": "a" * 1601},
        {"body": "\ud83d"},
        {"media": "cat.png"},
        {"media": [{}]},
        {"media": [{"content_type": "image/png", "url": "javascript:alert(1)"}]},
    ],
)
def test_what_no_phone_could_send_is_refused(door: str, told: Any) -> None:
    phone = Phone(door)
    whole = {"from": CUSTOMER, "to": BUSINESS, "body": "Hello"}
    content = told if isinstance(told, str) else json.dumps({**whole, **told})
    refused = httpx.post(
        f"{phone.url}/phone/texts",
        content=content,
        headers={"Content-Type": "application/json; charset=utf-8"},
    )
    assert refused.status_code == 400
    assert refused.json()["error"]
    assert phone.messages() == []


def test_the_page_may_load_from_here_only(door: str) -> None:
    page = httpx.get(door)
    assert page.headers["content-security-policy"].startswith("default-src 'self';")
    assert "<style" not in page.text
    assert "style=" not in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text


# ---- live


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


# ---- the process


def test_the_process_ends_at_once_although_a_phone_is_open() -> None:
    port = free_port()
    environ = {**os.environ, "PHONE_PORT": str(port), "TWILIO_ACCOUNT_SID": ""}
    for name in ("TWILIO_AUTH_TOKEN", "TWILIO_API_KEY_SID", "TWILIO_API_BASE_URL"):
        environ[name] = ""
    command = [sys.executable, "-m", "local.pretend_twilio"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"phone page: http://127.0.0.1:{port}/\n"
        phone = Phone(f"http://127.0.0.1:{port}")
        assert httpx.get(f"{phone.url}/health").json()["status"] == "ok"
        with phone.listening() as events:
            next(events)
            process.send_signal(signal.SIGTERM)
            assert list(events) == []
            assert process.wait(timeout=2) == 0


def test_the_process_refuses_to_play_a_real_account() -> None:
    environ = {
        **os.environ,
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_NUMBERS": BUSINESS,
        "TWILIO_API_BASE_URL": "",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "local.pretend_twilio"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "real Twilio" in ended.stderr


# ---- the signature


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_signatures_are_twilios(form: dict[str, str]) -> None:
    url = "https://example.com/webhooks/twilio_sms/webhook?a=1&b=%20"
    expected = RequestValidator(TOKEN).compute_signature(url, form)
    assert signature(TOKEN, url, form) == expected
