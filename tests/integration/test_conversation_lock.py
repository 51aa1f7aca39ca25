"""One turn at a time for each conversation, in two processes, without polling: on a real Valkey."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator

import async_timeout
import pytest
from rasa.shared.core.domain import Domain

from connectors.conversation_lock import ConversationLocks
from connectors.lanes import Claim
from connectors.session_store import SessionStore
from connectors.store import Store
from tests.integration.office import Office, office_of, text

pytestmark = pytest.mark.integration


@pytest.fixture
async def processes(
    store: Store, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[list[ConversationLocks]]:
    """The lock stores of two processes."""
    monkeypatch.setenv("REDIS_URL", valkey_url)
    monkeypatch.setenv("REPLY_SETTLE_MS", "0")
    locks = [ConversationLocks(), ConversationLocks()]
    yield locks
    for each in locks:
        await each.store.close()


@pytest.fixture
async def office(store: Store, processes: list[ConversationLocks]) -> AsyncIterator[Office]:
    sessions = SessionStore(Domain.empty())
    office = office_of(store, sessions)
    yield office
    await office.worker.stop()
    await sessions.store.close()


async def test_turns_of_a_conversation_follow_one_another(
    processes: list[ConversationLocks],
) -> None:
    inside, most = 0, 0

    async def turn(locks: ConversationLocks) -> None:
        nonlocal inside, most
        async with locks.lock("c"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1

    async with async_timeout.timeout(8):  # shorter than one lease: nobody waited for its end
        await asyncio.gather(*(turn(locks) for locks in processes * 4))
    assert most == 1
    assert await processes[0].store.client.hlen(processes[0].lane.leases) == 0


async def test_other_conversations_do_not_wait(processes: list[ConversationLocks]) -> None:
    async with async_timeout.timeout(8), processes[0].lock("c"), processes[1].lock("d"):
        pass


async def test_a_holder_that_died_holds_up_nobody_for_long(
    processes: list[ConversationLocks],
) -> None:
    processes[0].lane.lease_seconds = 0.2
    assert isinstance(await processes[0]._take("c"), Claim)  # and never renews it
    async with async_timeout.timeout(8), processes[1].lock("c"):
        pass


async def test_a_long_turn_keeps_its_lock(processes: list[ConversationLocks]) -> None:
    processes[0].lane.lease_seconds = 0.9
    async with processes[0].lock("c"):
        await asyncio.sleep(1.8)  # twice the lease: only time ends it
        assert not isinstance(await processes[1]._take("c"), Claim)


async def test_a_turn_that_answers_a_text_is_waited_for_and_needs_no_lock(
    office: Office, processes: list[ConversationLocks]
) -> None:
    conversation = await office.conversation()
    waited = asyncio.Event()
    waiting: list[asyncio.Task[None]] = []

    async def wait() -> None:
        async with processes[1].lock(conversation):
            waited.set()

    async def while_it_is_answered(_: str) -> None:
        async with processes[0].lock(conversation):  # as Rasa does
            # Not of this turn: somebody else's, who begins meanwhile.
            loop = asyncio.get_running_loop()
            waiting.append(contextvars.Context().run(loop.create_task, wait()))
            await asyncio.sleep(0.1)
            assert not waited.is_set()

    office.assistant.before_saving = while_it_is_answered
    office.worker.start()
    await office.inbox.accept(text(1, "hello"))
    async with async_timeout.timeout(8):
        assert await office.answers(1) == ["You said: hello"]
        await waited.wait()


async def test_a_text_that_comes_meanwhile_is_answered_afterwards(
    office: Office, processes: list[ConversationLocks]
) -> None:
    office.worker.start()
    async with processes[0].lock(await office.conversation()):
        await office.inbox.accept(text(1, "hello"))
        await asyncio.sleep(0.2)
        assert office.assistant.heard == []
    assert await office.answers(1) == ["You said: hello"]
