"""Who talks to the pretend Twilio: a business with the real client, and a customer's phone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from tests.pretend_business import ACCOUNT, BUSINESS, CUSTOMER, TOKEN, WAIT_S, Business, Post

FOREVER_MS = 60_000


def client_of(url: str, *credentials: str, gives_up_s: float | None = None) -> Any:
    """Twilio's own client, of the account unless there are other credentials."""
    http = TwilioHttpClient(timeout=gives_up_s)
    client = Client(*(credentials or (ACCOUNT, TOKEN)), environment={"_": ""}, http_client=http)
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
