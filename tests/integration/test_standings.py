"""What is known of our numbers: asked of a pretend Twilio, remembered in a real Valkey."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.testing import capture_logs

from connectors import keys
from connectors.errors import SendUnavailable
from connectors.outbox import Outbox
from connectors.settings import Twilio
from connectors.standings import BELIEVED_SECONDS, FLAG_SECONDS, Standings
from connectors.store import Store
from connectors.ten_dlc import Verdict
from connectors.twilio_account import TwilioAccount
from connectors.twilio_client import TwilioClient
from connectors.wire import StatusReport
from local.ports import free_port
from tests.pretend_business import (
    ACCOUNT,
    BUSINESS,
    SECOND_BUSINESS,
    TOKEN,
    open_twilio,
    pretend_config,
    serving,
)

pytestmark = pytest.mark.integration

NUMBERS = (BUSINESS, SECOND_BUSINESS)
ADA = "+15550109999"
NOBODY = "http://127.0.0.1:9"


@dataclass
class Office:
    """Our side, and the papers at Twilio."""

    url: str
    store: Store
    account: TwilioAccount

    def process(self, strict: bool = True) -> Standings:
        """A process that has just started."""
        return Standings(self.store, self.account, lambda: NUMBERS, strict, NOBODY)

    def papers(self, **given: object) -> None:
        answer = httpx.post(f"{self.url}/registration", json=given, trust_env=False)
        assert answer.status_code == 200, answer.text

    async def it_is_time_to_ask(self) -> None:
        await self.store.forget(keys.TEN_DLC_ASKED)

    async def later(self, seconds: float) -> None:
        """Let what is remembered have been learnt so long ago."""
        for key in await self.store.client.keys(keys.ten_dlc("*")):
            for field, value in (await self.store.fields(key)).items():
                if field.startswith("flag:"):
                    aged = str(float(value) - seconds)
                else:
                    told = json.loads(value)
                    aged = json.dumps({**told, "at": told["at"] - seconds})
                await self.store.put_field(key, field, aged, 60)


@pytest.fixture
async def office(store: Store) -> AsyncIterator[Office]:
    with open_twilio(pretend_config(NOBODY)) as url:
        settings = Twilio(ACCOUNT, (TOKEN,), None, url, NUMBERS, NOBODY, pretend=False)
        client = TwilioClient(settings, timeout=10)
        yield Office(url, store, TwilioAccount(client))
        await client.close()


async def test_a_number_in_a_verified_campaign_may_send(office: Office) -> None:
    standings = office.process()
    assert standings.of(BUSINESS).verdict is Verdict.UNKNOWN
    assert standings.why_not(BUSINESS) is None  # not knowing is no reason to be silent
    await standings.refresh()
    assert standings.of(BUSINESS).verdict is Verdict.APPROVED
    assert standings.why_not(BUSINESS) is None


async def test_a_number_that_is_known_not_to_be_approved_may_not_and_others_may(
    office: Office,
) -> None:
    office.papers(number=BUSINESS, state="campaign rejected")
    standings = office.process()
    with capture_logs() as logs:
        await standings.refresh()
    refusal = standings.why_not(BUSINESS)
    assert refusal is not None
    assert refusal.reason == "campaign_failed"
    assert standings.why_not(SECOND_BUSINESS) is None
    told = [line for line in logs if line["event"] == "ten_dlc.standing"]
    assert [(line["number"], line["log_level"], line["answers"]) for line in told] == [
        ("+1***0001", "error", False),
        ("+1***0002", "info", True),
    ]
    assert BUSINESS not in str(logs)


async def test_with_warn_it_sends_all_the_same_and_the_log_says_what_is_wrong(
    office: Office,
) -> None:
    office.papers(number=BUSINESS, state="in no Messaging Service")
    standings = office.process(strict=False)
    with capture_logs() as logs:
        await standings.refresh()
    assert standings.why_not(BUSINESS) is None
    warned = [line for line in logs if line["log_level"] == "warning"]
    assert [line["reason"] for line in warned] == ["no_service"]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("campaign in review", "campaign_in_progress"),
        ("campaign suspended", "campaign_suspended"),
        ("brand rejected", "brand_failed"),
        ("no campaign", "no_campaign"),
        ("in no Messaging Service", "no_service"),
        ("cannot send SMS", "no_sms"),
        ("sold", "not_owned"),
        ("texts sent elsewhere", "approved"),
    ],
)
async def test_every_state_at_twilio_is_recognised(office: Office, state: str, reason: str) -> None:
    office.papers(number=BUSINESS, state=state)
    standings = office.process()
    await standings.refresh()
    assert standings.of(BUSINESS).reason == reason


@pytest.mark.parametrize("api", ["down", "forbidden"])
async def test_when_twilio_cannot_be_asked_the_last_answer_stands(office: Office, api: str) -> None:
    office.papers(number=BUSINESS, state="campaign suspended")
    await office.process().refresh()
    office.papers(api=api)
    await office.it_is_time_to_ask()
    standings = office.process()
    with capture_logs() as logs:
        await standings.refresh()
    assert standings.of(BUSINESS).reason == "campaign_suspended"
    assert "ten_dlc.not_asked" in [line["event"] for line in logs]


async def test_when_twilio_could_never_be_asked_the_number_may_send(office: Office) -> None:
    office.papers(api="down")
    standings = office.process()
    await standings.refresh()
    assert standings.of(BUSINESS).verdict is Verdict.UNKNOWN
    assert standings.why_not(BUSINESS) is None


@pytest.mark.parametrize("answer", ["<html>busy</html>", "[]", '{"services": 3}', "{}"])
async def test_rubbish_on_the_way_does_not_end_the_looking(
    office: Office, store: Store, answer: str
) -> None:
    async def says(request: Request) -> Response:
        return Response(answer, media_type="application/json")

    anything = Starlette(routes=[Route("/{path:path}", says)])
    server = uvicorn.Server(
        uvicorn.Config(anything, port=free_port(), log_level="error", ws="none")
    )
    with serving(server) as url:
        settings = Twilio(ACCOUNT, (TOKEN,), None, url, NUMBERS, NOBODY, pretend=False)
        client = TwilioClient(settings, timeout=10)
        standings = Standings(store, TwilioAccount(client), lambda: NUMBERS, strict=True)
        await standings.refresh()
        await client.close()
    assert standings.why_not(BUSINESS) is None
    assert standings.of(BUSINESS).verdict is Verdict.UNKNOWN


async def test_what_another_version_of_us_wrote_is_passed_over(office: Office) -> None:
    standings = office.process()
    await standings.refresh()
    for key in await office.store.client.keys(keys.ten_dlc("*")):
        for told in ('{"verdict": "perhaps", "at": 9e9}', '{"at": 9e9, "mood": 1}', "{", "3"):
            await office.store.put_field(key, "registration", told, 60)
            await standings.refresh()
    assert standings.of(BUSINESS).verdict is Verdict.UNKNOWN


async def test_a_client_that_is_closed_asks_nothing_more(office: Office) -> None:
    await office.account.client.close()
    with pytest.raises((SendUnavailable, RuntimeError)):
        await office.account.registrations(NUMBERS)


async def test_what_twilio_said_long_ago_is_no_knowledge(office: Office) -> None:
    office.papers(number=BUSINESS, state="campaign suspended")
    await office.process().refresh()
    await office.later(BELIEVED_SECONDS + 1)
    standings = office.process()
    await standings.refresh()
    assert standings.of(BUSINESS).verdict is Verdict.UNKNOWN


async def test_one_process_asks_and_the_others_learn_it_from_redis(office: Office) -> None:
    await office.process().refresh()
    office.papers(number=BUSINESS, state="sold")
    other = office.process()
    await other.refresh()  # it is not time yet to ask again
    assert other.of(BUSINESS).verdict is Verdict.APPROVED
    await office.it_is_time_to_ask()
    await other.refresh()
    assert other.of(BUSINESS).reason == "not_owned"


async def test_who_fails_to_ask_tries_again_within_a_minute_or_so(office: Office) -> None:
    office.papers(api="down")
    await office.process().refresh()
    assert 0 < await office.store.client.ttl(keys.TEN_DLC_ASKED) <= 60
    await office.it_is_time_to_ask()
    office.papers(api="ok")
    await office.process().refresh()
    assert 600 < await office.store.client.ttl(keys.TEN_DLC_ASKED) <= 900


async def test_a_delivery_report_stops_the_number_at_once_for_every_process(
    office: Office,
) -> None:
    here, there = office.process(), office.process()
    await here.refresh()
    with capture_logs() as logs:
        await here.noticed(BUSINESS, "30034")
    refusal = here.why_not(BUSINESS)
    assert refusal is not None
    assert (refusal.reason, refusal.code) == ("number_unregistered", 30034)
    assert [line["log_level"] for line in logs] == ["error"]
    await there.refresh()  # asks Twilio, whose papers are in order: carriers know better
    assert there.why_not(BUSINESS) == refusal
    assert there.why_not(SECOND_BUSINESS) is None


async def test_after_an_hour_the_next_text_may_try_again(office: Office) -> None:
    standings = office.process()
    await standings.refresh()
    await standings.noticed(BUSINESS, "30035")
    await office.later(FLAG_SECONDS + 1)
    await standings.refresh()
    assert standings.why_not(BUSINESS) is None


async def test_a_filtered_text_is_told_and_the_number_still_answers(office: Office) -> None:
    standings = office.process()
    await standings.refresh()
    await standings.noticed(BUSINESS, "30007")
    assert standings.of(BUSINESS).reason == "filtered"
    assert standings.why_not(BUSINESS) is None


@pytest.mark.parametrize("error_code", ["", "30003", "30008", "x", "٣"])
async def test_other_reports_say_nothing_about_the_number(office: Office, error_code: str) -> None:
    standings = office.process()
    await standings.noticed(BUSINESS, error_code)
    await standings.noticed("+15550109999", "30034")  # not ours
    assert await office.store.client.keys("sms:ten-dlc*") == []


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("texts sent elsewhere", "127.0.0.1:9/elsewhere"),
        ("texts swallowed by the Service", "drops"),
    ],
)
async def test_texts_that_go_elsewhere_are_told_once(office: Office, state: str, said: str) -> None:
    office.papers(number=BUSINESS, state=state)
    standings = office.process()
    with capture_logs() as logs:
        await standings.refresh()
        await office.it_is_time_to_ask()
        await standings.refresh()
    [told] = [line for line in logs if line["event"] == "number.texts_go_elsewhere"]
    assert told["number"] == "+1***0001"
    assert said in told["seen"]
    assert standings.why_not(BUSINESS) is None  # what does come is answered


async def test_numbers_are_in_no_key_and_what_is_known_does_not_pile_up(office: Office) -> None:
    standings = office.process()
    await standings.refresh()
    await standings.noticed(BUSINESS, "30034")
    found = await office.store.client.keys("sms:ten-dlc*")
    assert len(found) == 2  # two numbers; the mark that Twilio was asked went with the flag
    for key in found:
        assert BUSINESS[2:] not in key
        assert await office.store.client.ttl(key) > BELIEVED_SECONDS


async def report(store: Store, number: int, code: str, business: str = BUSINESS) -> None:
    """A last report on a message, as Twilio tells it, and tells it again."""
    status = "undelivered" if code else "delivered"
    told = StatusReport(f"SM{number:032x}", status, code, f"c{number}.p", business, ADA)
    assert await Outbox(store).report(told)
    assert not await Outbox(store).report(told)


async def test_a_number_whose_messages_are_mostly_filtered_is_silent_for_an_hour(
    office: Office,
) -> None:
    standings = office.process()
    for number in range(10):
        await report(office.store, number, "")  # before the first that is filtered
    for number in range(10, 14):
        await report(office.store, number, "30007")
    await report(office.store, 14, "")
    await report(office.store, 15, "30007", SECOND_BUSINESS)
    await standings.refresh()
    assert standings.why_not(BUSINESS) is None
    await report(office.store, 16, "30007")
    await standings.refresh()
    refusal = standings.why_not(BUSINESS)
    assert refusal is not None
    assert (refusal.reason, refusal.seen) == (
        "mostly_filtered",
        "carriers filtered 5 of its last 6 messages",
    )
    assert standings.why_not(SECOND_BUSINESS) is None
    for name in await office.store.client.keys(keys.filtered("*")):
        assert 0 < await office.store.client.ttl(name) <= 3600
        await office.store.forget(name)  # the hour is over
    await standings.refresh()
    assert standings.why_not(BUSINESS) is None
