"""The papers at the pretend Twilio: read as Twilio's own client reads them, changed by scripts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest import Client

from local.pretend_twilio.papers import STATES
from tests.pretend_business import (
    ACCOUNT,
    BUSINESS,
    CUSTOMER,
    SECOND_BUSINESS,
    TOKEN,
    WAIT_S,
    Business,
    open_business,
    open_twilio,
    pretend_config,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def business() -> Iterator[Business]:
    with open_business(Business()) as opened:
        yield opened


@pytest.fixture
def url(business: Business) -> Iterator[str]:
    with open_twilio(pretend_config(business.url)) as opened:
        yield opened


@pytest.fixture
def client(url: str) -> Any:
    client = Client(ACCOUNT, TOKEN, environment={"_": ""})
    client.api.base_url = client.messaging.base_url = url
    return client


def tell(url: str, **given: object) -> httpx.Response:
    return httpx.post(f"{url}/registration", json=given, trust_env=False)


def test_the_chain_from_a_number_to_its_brand_can_be_followed(client: Any) -> None:
    [number] = client.incoming_phone_numbers.list(phone_number=BUSINESS)
    services = client.messaging.v1.services.list()
    assert len(services) == 2
    [service] = [
        found
        for found in services
        if number.sid
        in [n.sid for n in client.messaging.v1.services(found.sid).phone_numbers.list()]
    ]
    [campaign] = client.messaging.v1.services(service.sid).us_app_to_person.list()
    assert (campaign.campaign_status, campaign.mock) == ("VERIFIED", False)
    brand = client.messaging.v1.brand_registrations(campaign.brand_registration_sid).fetch()
    assert (brand.status, brand.brand_score) == ("APPROVED", 60)
    assert service.use_inbound_webhook_on_number


def test_a_number_and_a_service_can_be_rewired(client: Any) -> None:
    [number] = client.incoming_phone_numbers.list(phone_number=BUSINESS)
    changed = number.update(sms_url="https://x.example.com", sms_method="GET")
    assert (changed.sms_url, changed.sms_method) == ("https://x.example.com", "GET")
    assert changed.sms_fallback_method == "POST"  # what was not said stays
    [service, _] = client.messaging.v1.services.list()
    changed = service.update(use_inbound_webhook_on_number=False, status_callback="https://y")
    assert (changed.use_inbound_webhook_on_number, changed.status_callback) == (False, "https://y")


def test_a_sold_number_is_gone_and_so_is_what_belonged_to_it(client: Any, url: str) -> None:
    [number] = client.incoming_phone_numbers.list(phone_number=BUSINESS)
    tell(url, number=BUSINESS, state="sold")
    assert client.incoming_phone_numbers.list(phone_number=BUSINESS) == []
    with pytest.raises(TwilioRestException) as refusal:
        number.update(sms_url="https://x.example.com")
    assert refusal.value.code == 20404
    assert len(client.messaging.v1.services.list()) == 1


@pytest.mark.parametrize(("api", "status"), [("down", 503), ("forbidden", 403)])
def test_what_is_asked_about_papers_can_fail_while_messages_go_out(
    client: Any, url: str, api: str, status: int
) -> None:
    tell(url, api=api)
    with pytest.raises(TwilioException) as refusal:
        client.messaging.v1.services.list()
    assert refusal.value.args[1].status_code == status
    assert client.messages.create(to=CUSTOMER, from_=BUSINESS, body="Hello").sid
    tell(url, api="ok")
    assert client.messaging.v1.services.list()


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("approved", None),
        ("campaign in review", "30034"),
        ("campaign rejected", "30034"),
        ("campaign suspended", "30033"),
        ("brand rejected", "30034"),
        ("no campaign", "30034"),
        ("in no Messaging Service", "30034"),
    ],
)
def test_texts_from_a_number_end_as_its_papers_are(
    client: Any, url: str, business: Business, state: str, code: str | None
) -> None:
    tell(url, number=BUSINESS, state=state)
    client.messages.create(
        to=CUSTOMER, from_=BUSINESS, body="Hello", status_callback=f"{business.url}/status"
    )
    while True:
        report = business.reports.get(timeout=WAIT_S).form
        if report["MessageStatus"] in ("delivered", "undelivered"):
            break
    assert report.get("ErrorCode") == code


def texted(url: str) -> dict[str, Any]:
    """What came of a customer's text."""
    text = {"from": CUSTOMER, "to": BUSINESS, "body": "Hello"}
    taken: dict[str, dict[str, Any]] = httpx.post(
        f"{url}/phone/texts", json=text, trust_env=False
    ).json()
    return taken["answer"]


def test_texts_to_a_number_go_where_it_is_wired_to(url: str, business: Business) -> None:
    assert texted(url)["taken"]
    tell(url, number=BUSINESS, sms_url=f"{business.url}/webhooks/twilio_sms/webhook#rc=2&rp=5xx")
    assert texted(url)["taken"]  # what follows the # is for Twilio alone
    assert "#" not in business.texts.get(timeout=WAIT_S).url
    assert "#" not in business.texts.get(timeout=WAIT_S).url
    tell(url, number=BUSINESS, state="texts sent elsewhere")
    assert not texted(url)["taken"]
    tell(url, number=BUSINESS, state="texts swallowed by the Service")
    assert "dropped by the Messaging Service" in texted(url)["words"]
    assert business.texts.empty()


def test_every_state_has_a_name_and_can_be_left_again(url: str) -> None:
    for state in STATES:
        numbers = tell(url, number=BUSINESS, state=state).json()["numbers"]
        assert numbers[BUSINESS]["state"] == state
        assert numbers[SECOND_BUSINESS]["state"] == "approved"
    odd = tell(url, number=BUSINESS, state="approved", brand="SUSPENDED").json()["numbers"]
    assert (odd[BUSINESS]["state"], odd[BUSINESS]["brand"]) == (None, "SUSPENDED")
    calm = httpx.delete(f"{url}/registration", trust_env=False).json()
    assert calm["numbers"][BUSINESS]["state"] == "approved"


@pytest.mark.parametrize(
    "given",
    [
        {"number": "+15550107777", "state": "approved"},
        {"number": BUSINESS, "state": "lost"},
        {"number": BUSINESS, "sends_sms": "yes"},
        {"number": BUSINESS, "colour": "blue"},
        {"api": "slow"},
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    url: str, given: dict[str, object]
) -> None:
    before = httpx.get(f"{url}/registration", trust_env=False).json()
    answer = tell(url, **given)
    assert (answer.status_code, bool(answer.json()["error"])) == (400, True)
    assert httpx.get(f"{url}/registration", trust_env=False).json() == before


def test_strangers_do_not_get_in(url: str) -> None:
    assert httpx.get(f"{url}/v1/Services", trust_env=False).status_code == 401
    form = httpx.post(f"{url}/registration", data={"api": "down"}, trust_env=False)
    assert form.status_code == 415
