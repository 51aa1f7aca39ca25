"""Chaos mode, when a business sends: errors, silence, cut connections, and what was taken."""

from __future__ import annotations

import queue
import threading
import time
from typing import Any

import httpx
import pytest
import requests
from twilio.base.exceptions import TwilioException, TwilioRestException

from local.pretend_twilio.troubles import LOOKUP_ANSWERS
from tests.integration.pretend_twilio.callers import send
from tests.integration.pretend_twilio.chaos.rehearsal import GIVES_UP_S, Rehearsal, until
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


@pytest.mark.parametrize(
    ("trouble", "status", "code", "taken"),
    [("429", 429, 20429, 0), ("500", 500, 20500, 0), ("500 after", 500, 20500, 1)],
)
def test_an_error_is_told_once_and_says_nothing_of_what_was_taken(
    chaos: Rehearsal, twilio: Any, trouble: str, status: int, code: int, taken: int
) -> None:
    chaos.script(messages=[trouble])
    with pytest.raises(TwilioRestException) as refused:
        send(twilio, "first")
    assert (refused.value.status, refused.value.code) == (status, code)
    assert len(twilio.messages.list()) == taken
    assert send(twilio, "second").sid
    assert [m["body"] for m in chaos.ledger()["messages"]] == ["first", "second"][1 - taken :]


def test_too_many_requests_says_when_to_come_back(chaos: Rehearsal) -> None:
    chaos.script(messages=[{"429": 1, "retry_after_s": 7}])
    address = f"{chaos.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    form = {"To": CUSTOMER, "From": BUSINESS, "Body": "Hello"}
    refused = httpx.post(address, data=form, auth=(ACCOUNT, TOKEN))
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "7")


@pytest.mark.parametrize(("trouble", "taken"), [("hang", []), ("hang after", ["Hello"])])
def test_twilio_may_never_answer(
    chaos: Rehearsal, twilio: Any, trouble: str, taken: list[str]
) -> None:
    chaos.script(messages=[trouble])
    began = time.monotonic()
    with pytest.raises(OSError, match="timed out"):
        send(twilio)
    assert time.monotonic() - began >= GIVES_UP_S
    assert [m.body for m in twilio.messages.list()] == taken


@pytest.mark.parametrize(("trouble", "taken"), [("cut", []), ("cut after", ["Hello"])])
def test_the_connection_may_be_cut(
    chaos: Rehearsal, twilio: Any, trouble: str, taken: list[str]
) -> None:
    chaos.script(messages=[trouble])
    with pytest.raises(OSError, match="Connection aborted"):
        send(twilio)
    assert [m.body for m in twilio.messages.list()] == taken


def test_a_cut_connection_had_not_one_byte_of_an_answer(
    chaos: Rehearsal, capfd: pytest.CaptureFixture[str]
) -> None:
    chaos.script(messages=["cut after"])
    address = f"{chaos.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    form = {"To": CUSTOMER, "From": BUSINESS, "Body": "Hello"}
    with (
        httpx.Client() as client,
        pytest.raises(httpx.RemoteProtocolError, match="without sending a response"),
    ):
        client.post(address, data=form, auth=(ACCOUNT, TOKEN))
    assert chaos.state()["counts"]["messages"] == {"asked": 1, "cut after": 1}
    assert capfd.readouterr().err == ""


def test_a_message_may_be_taken_when_its_sender_has_given_up(chaos: Rehearsal, twilio: Any) -> None:
    chaos.script(messages=[{"latency_ms": int(3000 * GIVES_UP_S)}])
    with pytest.raises(OSError, match="timed out"):
        send(twilio)
    assert twilio.messages.list() == []
    until(lambda: [m.body for m in twilio.messages.list()] == ["Hello"])


@pytest.mark.parametrize("trouble", LOOKUP_ANSWERS)
def test_a_question_may_meet_trouble(chaos: Rehearsal, twilio: Any, trouble: str) -> None:
    sid = send(twilio).sid
    chaos.script(lookups=[trouble, "ok", trouble])
    with pytest.raises((TwilioException, requests.RequestException)):
        twilio.messages.list(to=CUSTOMER)
    assert [message.sid for message in twilio.messages.list(to=CUSTOMER)] == [sid]
    with pytest.raises((TwilioException, requests.RequestException)):
        twilio.messages(sid).fetch()
    assert twilio.messages(sid).fetch().sid == sid
    assert chaos.state()["counts"]["lookups"] == {"asked": 4, trouble: 2}


def test_what_twilio_would_refuse_is_refused_in_any_trouble(chaos: Rehearsal, twilio: Any) -> None:
    chaos.script(messages=["cut after"])
    with pytest.raises(TwilioRestException) as refused:
        send(twilio, "")
    assert refused.value.code == 21602
    assert chaos.ledger()["messages"] == []


def test_the_server_ends_although_somebody_waits_for_an_answer(
    business: Business, capfd: pytest.CaptureFixture[str]
) -> None:
    with open_twilio(pretend_config(business.url)) as url:
        Rehearsal(url).script(messages=["hang"])
        ended: queue.Queue[BaseException] = queue.Queue()

        def wait() -> None:
            with pytest.raises(httpx.RemoteProtocolError) as cut:
                httpx.post(
                    f"{url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json",
                    auth=(ACCOUNT, TOKEN),
                    timeout=WAIT_S,
                )
            ended.put(cut.value)

        waiting = threading.Thread(target=wait)
        waiting.start()
        until(lambda: Rehearsal(url).state()["counts"]["messages"])
    waiting.join()
    assert ended.qsize() == 1
    assert capfd.readouterr().err == ""  # nor did the server have to be forced
