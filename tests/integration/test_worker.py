"""Workers that notice: a take loop that dies or hangs is no reason for silence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import async_timeout
import pytest
from structlog.testing import capture_logs

from connectors.lanes import Claim, Lane
from connectors.session_store import SessionStore
from connectors.store import Store
from connectors.worker import Worker
from tests.integration.office import Office, office_of, text

pytestmark = pytest.mark.integration

STALLED_SECONDS = 0.5
LIMIT_SECONDS = 10.0


class Hanging(Lane):
    """Does not answer its first claim, and as often as it is asked to give up it does not."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, "inbox", 50)
        self.claims = 0
        self.answer = asyncio.Event()

    async def claim(self) -> Claim | float:
        self.claims += 1
        while self.claims == 1 and not self.answer.is_set():
            try:
                await self.answer.wait()
            except asyncio.CancelledError:
                continue
        return await super().claim()


class Failing(Lane):
    """Raises once what nobody expects of it."""

    def __init__(self, store: Store, error: type[BaseException]) -> None:
        super().__init__(store, "inbox", 50)
        self.errors = [error]

    async def claim(self) -> Claim | float:
        if self.errors:
            raise self.errors.pop()("a mistake of ours")
        return await super().claim()


@pytest.fixture
async def office(store: Store, sessions: SessionStore) -> AsyncIterator[Office]:
    office = office_of(store, sessions)
    yield office
    await office.worker.stop()


def put(office: Office, lane: Lane, slots: int = 4) -> Worker:
    """A worker on this lane, in the place of the office's own."""
    runner = office.worker.handle
    office.worker = Worker(lane, runner, slots, stalled_seconds=STALLED_SECONDS)
    return office.worker


async def test_a_claim_that_never_returns_costs_no_answer_and_no_slot(office: Office) -> None:
    lane = Hanging(office.store)
    worker = put(office, lane, slots=1)
    with capture_logs() as logs:
        worker.start()
        await office.inbox.accept(text(1, "hello"))
        assert await office.answers(1) == ["You said: hello"]
    [told] = [entry for entry in logs if entry["event"] == "inbox.stalled"]
    assert told["silent_seconds"] >= STALLED_SECONDS
    assert told["then"]
    assert worker.health.restarts == 1
    assert worker.health.in_hand == 0
    # What the hung one gets in the end, it gives back to the other.
    await office.inbox.accept(text(2, "and again"))
    lane.answer.set()
    assert await office.answers(2) == ["You said: hello", "You said: and again"]


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError])
async def test_a_claim_that_raises_what_nobody_expects_costs_no_answer(
    office: Office, error: type[BaseException]
) -> None:
    worker = put(office, Failing(office.store, error))
    with capture_logs() as logs:
        worker.start()
        await office.inbox.accept(text(1, "hello"))
        assert await office.answers(1) == ["You said: hello"]
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["inbox.ended"]
    assert worker.health.restarts == 1


async def test_the_wake_up_is_restarted_too(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, listens = put(office, Lane(office.store, "inbox", 50)), asyncio.Event()
    real, errors = Store.listen, [ValueError("a mistake of ours")]

    async def listen(store: Store, channel: str) -> AsyncIterator[None]:
        if errors:
            raise errors.pop()
        async for _ in real(store, channel):
            listens.set()
            yield

    monkeypatch.setattr(Store, "listen", listen)
    with capture_logs() as logs:
        worker.start()
        async with async_timeout.timeout(LIMIT_SECONDS):
            await listens.wait()
    assert [e["event"] for e in logs if e["log_level"] == "error"] == ["inbox.wake_up.ended"]


async def test_a_worker_with_all_hands_full_is_not_stalled(office: Office) -> None:
    worker = put(office, Lane(office.store, "inbox", 50), slots=1)
    holding, go_on = asyncio.Event(), asyncio.Event()

    async def think(_: str) -> None:
        holding.set()
        await go_on.wait()

    office.assistant.before_saving = think
    worker.start()
    await office.inbox.accept(text(1, "hello"))
    await holding.wait()
    async with async_timeout.timeout(LIMIT_SECONDS):
        while worker.health.full_seconds < 2 * STALLED_SECONDS:
            await asyncio.sleep(0.05)
    health = worker.health
    assert (health.silent_seconds, health.restarts) == (0, 0)
    assert health.longest_in_hand_seconds >= health.full_seconds
    go_on.set()
    assert await office.answers(1) == ["You said: hello"]
    assert worker.health.full_seconds == 0
