"""Who may ask the pretend Twilio for something, and who may text by it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from local.pretend_twilio.guard import is_loopback
from tests.integration.pretend_twilio.callers import Phone, client_of, code_of
from tests.pretend_business import ACCOUNT, API_KEY, BUSINESS, CUSTOMER, OLD_TOKEN, TOKEN

pytestmark = pytest.mark.integration


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
