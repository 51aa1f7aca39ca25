"""Everything that went either way, for proofs: what was posted how often, what was taken once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import datetime
from itertools import islice

from local.pretend_twilio.store import Message, Post, Store

_AT_A_TIME = 500


def as_entry(store: Store, message: Message) -> dict[str, object]:
    """A text of a customer with its posts, or a message of the business with its reports."""
    posts = [_post(post) for post in store.posts_of(message)]
    known = {
        "sid": message.sid,
        "from": message.sender,
        "to": message.to,
        "body": message.body,
        "created": _time(message.created),
        "trouble": message.trouble,
    }
    if message.is_inbound:
        taken = any(post.answer and post.answer.taken for post in store.posts_of(message))
        return {**known, "taken": taken, "posts": posts}
    return {**known, "status": message.status, "error": message.error_code, "reports": posts}


async def document(store: Store, customer: str, number: str) -> AsyncIterator[str]:
    """One JSON object, in pieces, so that a long one holds up nobody; oldest first.

    Twilio's own answers to STOP and the like are left out: no business sent them.
    """
    # References only, taken at one instant; the pieces are made from them one after another.
    found = [
        m
        for m in store.of_customer(customer)
        if not number or number == (m.to if m.is_inbound else m.sender)
    ]
    texts = (m for m in found if m.direction == "inbound")
    messages = (m for m in found if m.direction == "outbound-api")
    for opening, chosen in (('{"texts": [', texts), ('], "messages": [', messages)):
        yield opening
        async for piece in _pieces(store, chosen):
            yield piece
    yield "]}"


async def _pieces(store: Store, messages: Iterable[Message]) -> AsyncIterator[str]:
    remaining: Iterator[Message] = iter(messages)
    comma = ""
    while some := list(islice(remaining, _AT_A_TIME)):
        yield comma + ", ".join(json.dumps(as_entry(store, message)) for message in some)
        comma = ", "
        await asyncio.sleep(0)


def _post(post: Post) -> dict[str, object]:
    answer = post.answer
    return {
        "of": post.state,
        "at": _time(post.at),
        "answered": post.answered and _time(post.answered),
        "status": answer and answer.status,
        "code": answer and answer.code,
    }


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
