"""Who works on which customer: leases, fences, and workers that come and go."""

from __future__ import annotations

import asyncio
import time

import async_timeout
import pytest
from rasa.shared.core.events import UserUttered

from connectors.assistants import Assistants
from connectors.errors import LeaseLost, NothingToSay
from connectors.lanes import LEASE_SECONDS, Claim, Lane
from connectors.session_store import SessionStore
from connectors.store import Store
from connectors.turn import Turn, current_turn
from connectors.worker import Worker
from tests.integration.office import ADA, BEN, Office, claim, office_of, text

pytestmark = pytest.mark.integration


async def nothing(_: Claim) -> None: ...


async def test_a_worker_ends_at_whatever_moment_it_is_stopped(valkey_url: str) -> None:
    """Also while it connects, when redis-py swallows the first request to end."""
    for turns_of_the_loop in range(0, 40, 2):
        store = Store.connect(valkey_url)
        worker = Worker(Lane(store, "inbox", 4), nothing, concurrency=4)
        worker.start()
        for _ in range(turns_of_the_loop):
            await asyncio.sleep(0)
        await worker.stop()
        assert all(task.done() for task in worker._loops), turns_of_the_loop
        await store.close()


async def test_a_claim_tells_when_somebody_else_is_due(office: Office) -> None:
    await office.inbox.accept(text(1, "hello", ADA))
    await office.inbox.accept(text(2, "hello", BEN))
    assert (await claim(office.inbox.lane)).next_seconds == 0
    # Nobody, but for a lease that may end.
    assert LEASE_SECONDS / 2 < (await claim(office.inbox.lane)).next_seconds <= LEASE_SECONDS


class TestFence:
    """A worker that lost its lease can do no harm."""

    async def test_its_commit_is_refused(self, office: Office) -> None:
        lane = Lane(office.store, "inbox", 50, lease_seconds=0.05)
        await office.inbox.accept(text(1, "hello"))
        slow = await claim(lane)
        await asyncio.sleep(0.06)  # the lease is a time: only time ends it
        quick = await claim(lane)
        assert quick.fence > slow.fence
        assert (quick.conversation, quick.items) == (slow.conversation, slow.items)
        await self.commit(office, quick)
        with pytest.raises(LeaseLost):
            await self.commit(office, slow)
        assert await office.answers(1) == ["You said: hello"]
        with pytest.raises(LeaseLost):
            await lane.release(slow, 0)
        with pytest.raises(LeaseLost):
            await lane.renew(slow)

    async def test_a_renewed_lease_stays(self, office: Office) -> None:
        lane = Lane(office.store, "inbox", 50, lease_seconds=1.0)
        await office.inbox.accept(text(1, "hello"))
        held = await claim(lane)
        for _ in range(3):
            await asyncio.sleep(0.4)
            await lane.renew(held)
            assert not isinstance(await lane.claim(), Claim)
        await self.commit(office, held)

    async def commit(self, office: Office, claim: Claim) -> None:
        turn = Turn.of(claim, Assistants.load())
        token = current_turn.set(turn)
        try:
            await office.assistant.handle(turn.message())
        finally:
            current_turn.reset(token)


async def test_a_save_for_another_conversation_is_no_commit(
    office: Office, sessions: SessionStore
) -> None:
    await office.inbox.accept(text(1, "hello"))
    turn = Turn.of(await claim(office.inbox.lane), Assistants.load())
    token = current_turn.set(turn)
    try:
        tracker = await sessions.get_or_create_tracker("another")
        tracker.update(UserUttered("hi"))
        await sessions.save(tracker)
        assert not turn.committed
        own = await sessions.get_or_create_tracker(turn.conversation)
        with pytest.raises(NothingToSay):
            await sessions.save(own)
    finally:
        current_turn.reset(token)


async def test_two_workers_share_one_redis(store: Store, sessions: SessionStore) -> None:
    offices = [office_of(store, sessions), office_of(store, sessions)]
    for each in offices:
        each.worker.start()
    for number in range(60):
        await offices[0].inbox.accept(
            text(number, f"text {number}", customer=f"+1555010{number:04}")
        )
    for number in range(60):
        answers = await offices[0].answers(1, f"+1555010{number:04}")
        assert answers == [f"You said: text {number}"]
    heard = [said for each in offices for said in each.assistant.heard]
    assert len(heard) == 60
    for each in offices:
        await each.worker.stop()


async def test_what_a_stopping_worker_holds_is_taken_over_at_once(
    store: Store, sessions: SessionStore
) -> None:
    first, second = office_of(store, sessions), office_of(store, sessions)
    thinking, never = asyncio.Event(), asyncio.Event()

    async def think(_: str) -> None:
        thinking.set()
        await never.wait()

    first.assistant.before_saving = think
    first.worker.start()
    await first.inbox.accept(text(1, "hello"))
    await thinking.wait()
    began = time.monotonic()
    await first.worker.stop()
    second.worker.start()
    assert await second.answers(1) == ["You said: hello"]
    assert time.monotonic() - began < 8  # the lease would have lasted ten
    await second.worker.stop()


async def test_a_turn_longer_than_the_lease_stays_with_its_worker(
    store: Store, sessions: SessionStore
) -> None:
    offices = [office_of(store, sessions), office_of(store, sessions)]
    for each in offices:
        each.inbox.lane.lease_seconds = 0.3
        each.assistant.before_saving = lambda _: asyncio.sleep(1)
        each.worker.start()
    await offices[0].inbox.accept(text(1, "hello"))
    assert await offices[0].answers(1) == ["You said: hello"]
    assert [said for each in offices for said in each.assistant.heard] == ["hello"]
    for each in offices:
        await each.worker.stop()


async def test_a_worker_that_lost_its_lease_stops_what_it_does(office: Office) -> None:
    office.inbox.lane.lease_seconds = 0.3
    stopped, thinking, never = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def think(_: str) -> None:
        thinking.set()
        try:
            await never.wait()
        finally:
            stopped.set()

    office.assistant.before_saving = think
    office.worker.start()
    await office.inbox.accept(text(1, "hello"))
    await thinking.wait()
    await office.store.client.hset(office.inbox.lane.leases, await office.conversation(), "1000")
    async with async_timeout.timeout(5):
        await stopped.wait()
    assert await office.answers(0) == []


async def test_an_idle_worker_wakes_without_waiting_for_a_tick(office: Office) -> None:
    office.worker.start()
    await office.inbox.accept(text(0, "warm up"))
    await office.answers(1)
    loop, waits = asyncio.get_running_loop(), []
    for number in range(1, 6):
        began = loop.time()
        await office.inbox.accept(text(number, "hello"))
        await office.answers(number + 1)
        waits.append(loop.time() - began)
    assert sorted(waits)[2] < 0.25  # the net below the wake-ups is a second wide
