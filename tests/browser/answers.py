"""What a business says to the phones."""

from __future__ import annotations

from collections.abc import Callable

from twilio.rest import Client

from tests.pretend_business import ACCOUNT, BUSINESS, CUSTOMER, TOKEN, Post

ANSWER = "Good morning! We are open until four."


def send(url: str, body: str, to: str = CUSTOMER, sender: str = BUSINESS) -> None:
    client = Client(ACCOUNT, TOKEN, environment={"_": ""})
    client.api.base_url = url
    client.messages.create(to=to, from_=sender, body=body)


def answering(url: str, words: str = ANSWER) -> Callable[[Post], None]:
    return lambda post: send(url, words, to=post.form["From"], sender=post.form["To"])
