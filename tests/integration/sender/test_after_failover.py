"""After a failover of Redis a part is looked up at Twilio before it is sent."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from connectors.failover import SETTLED_SECONDS
from connectors.store import Store
from tests.integration.sender.post import Post, Troubled, part, until, working

pytestmark = pytest.mark.integration


@pytest.fixture
def idle(store: Store, twilio: tuple[Troubled, str]) -> Post:
    """Its sender is not at work yet."""
    return Post(store, *twilio)


async def test_a_part_that_was_sent_is_not_sent_again(idle: Post) -> None:
    """Neither the note that Twilio was asked nor the message is known to the new primary."""
    hello, store = part("hello"), idle.outbox.store
    await idle.leave(hello)
    now_ms = int(time.time() * 1000)
    await idle.api.send(replace(hello, asked_ms=now_ms))
    store.note_change(now_ms + 10, now_ms + 10)
    async with working(idle):
        await idle.all_settled()
    assert idle.received() == ["hello"]


async def test_a_part_that_was_not_sent_waits_until_that_is_certain(idle: Post) -> None:
    store = idle.outbox.store
    await idle.leave(part("hello"))
    now_ms = int(time.time() * 1000)
    store.note_change(now_ms, now_ms)
    async with working(idle):
        await until(lambda: time.time() * 1000 > store.failover_ms + 1_000)
        assert idle.received() == []
        # What could still be under way is over, and Twilio would list it.
        store.failover_ms -= int(SETTLED_SECONDS * 1000)
        await idle.all_settled()
    assert idle.received() == ["hello"]


async def test_after_a_restart_it_is_sent_as_soon_as_twilio_does_not_know_it(idle: Post) -> None:
    await idle.leave(part("hello"))
    idle.outbox.store.note_change(int(time.time() * 1000), 0)
    async with working(idle):
        await idle.all_settled()
    assert idle.received() == ["hello"]


async def test_what_is_put_there_afterwards_is_sent_at_once(idle: Post) -> None:
    store = idle.outbox.store
    long_ago_ms = int(time.time() * 1000) - 10_000
    store.note_change(long_ago_ms, long_ago_ms)
    await idle.leave(part("hello"))
    async with working(idle):
        await idle.all_settled()
    assert idle.received() == ["hello"]
