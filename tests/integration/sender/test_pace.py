"""Our own limit for each number, kept by all processes together."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from connectors.pace import Pace
from connectors.store import Store
from tests.integration.sender.post import Post, Troubled, part_for, until, working
from tests.pretend_business import SECOND_BUSINESS

pytestmark = pytest.mark.integration


async def test_two_senders_keep_the_pace_of_a_number_together(
    store: Store, twilio: tuple[Troubled, str]
) -> None:
    posts = [Post(store, *twilio, segments_per_second=10) for _ in range(2)]
    await posts[0].leave(*(part_for(number) for number in range(16)))
    async with working(posts[0]), working(posts[1]):
        await posts[0].all_settled()
    messages = twilio[0].state.store.of_customer("")
    assert sorted(m.body for m in messages) == sorted(f"part {n}" for n in range(16))
    took = (messages[-1].created - messages[0].created).total_seconds()
    assert took > 1.2  # 15 tenths of a second, less what the first one may have been late


async def test_no_two_parts_have_the_same_place(store: Store) -> None:
    paces = [Pace(store, 4.0) for _ in range(2)]
    parts = [part_for(number) for number in range(20)]
    asked = [pace.wait_for(p, 60) for p, pace in zip(parts, paces * 10, strict=True)]
    waits = [wait or 0 for wait in await asyncio.gather(*asked)]
    passed = 5.0 - 0.25 - max(waits)  # since the first one asked
    assert 0 <= passed < 2
    last = parts[waits.index(max(waits))]  # they asked at once, so any of them may be the last
    again = await paces[0].wait_for(last, 60)
    assert again is not None
    assert again <= max(waits)  # who asks again has the same place
    assert await paces[1].wait_for(part_for(99), 3.0) is None
    assert await Pace(store, None).wait_for(part_for(99), 3.0) == 0


async def test_a_number_that_waits_holds_up_no_other(
    store: Store, twilio: tuple[Troubled, str]
) -> None:
    """One pair of hands, a long queue at one number, and a customer of another."""
    other = replace(part_for(99), business=SECOND_BUSINESS)
    async with working(Post(store, *twilio, segments_per_second=0.1, concurrency=1)) as post:
        await post.leave(*(part_for(number) for number in range(20)))
        await until(lambda: post.received(""))
        await post.leave(other)
        await until(lambda: other.body in post.received(""))
        assert len(post.received("")) == 2
