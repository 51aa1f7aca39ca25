"""Replies that could not be sent in time: one sentence stands for them, or nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import async_timeout
import pytest

from connectors.errors import SendRefused
from tests.integration.sender.post import SORRY, Post, late, part, said_of_all
from tests.log import log_of

pytestmark = pytest.mark.integration


async def test_a_reply_that_is_too_old_is_dropped(post: Post) -> None:
    await post.leave(late("hello"))
    await post.all_settled()
    assert post.received() == []
    assert post.twilio.asked == 0


async def test_twilio_is_told_how_long_a_reply_is_of_use(post: Post) -> None:
    post.api.validity_seconds = 36_001  # a second longer than it keeps anything
    with pytest.raises(SendRefused) as refused:
        await post.api.send(replace(part("Yes, we do."), asked_ms=part("").created_ms))
    assert refused.value.code == 30045


async def test_all_that_is_late_becomes_one_apology(sorry_post: Post) -> None:
    await sorry_post.leave(late("Yes, we do. It"), late("costs $60."), late("Monday."), part("Hi!"))
    await said_of_all(sorry_post, "sent", until=2)
    assert sorry_post.received() == [SORRY, "Hi!"]
    log = await log_of(sorry_post.outbox.store)
    [apology] = [record["data"] for record in log if record["kind"] == "part.apology"]
    assert (apology["body"], len(apology["instead_of"])) == (SORRY, 3)


async def test_an_apology_waits_for_twilio_as_long_as_it_must(sorry_post: Post) -> None:
    """And what is late meanwhile is covered by it, too."""
    sorry_post.twilio.script.append("429")
    await sorry_post.leave(late("Yes, we do."))
    async with async_timeout.timeout(5):
        while not sorry_post.twilio.asked:
            await asyncio.sleep(0.01)
    await sorry_post.leave(late("Monday."))
    await sorry_post.all_settled()
    assert sorry_post.received() == [SORRY]


async def test_an_apology_whose_outcome_is_unknown_is_not_sent_twice(sorry_post: Post) -> None:
    sorry_post.twilio.script.append("500 after")
    await sorry_post.leave(late("Yes, we do."))
    await sorry_post.all_settled()
    assert sorry_post.received() == [SORRY]


async def test_nobody_gets_an_apology_whose_session_is_over(sorry_post: Post) -> None:
    await sorry_post.leave(late("Yes, we do."), session="")
    await sorry_post.all_settled()
    assert sorry_post.received() == []
    assert sorry_post.twilio.asked == 0
