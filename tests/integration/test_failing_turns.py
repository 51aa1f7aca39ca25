"""Turns that fail: tried again for a while, then a plain sentence and a dead letter."""

from __future__ import annotations

import asyncio

import async_timeout
import pytest

from connectors import keys
from connectors.dead_letters import DeadLetters, Retry
from connectors.turn import QUICK_TRIES, current_turn
from tests.integration.office import SORRY, Office, text

pytestmark = pytest.mark.integration


async def test_a_turn_that_fails_is_tried_again(office: Office) -> None:
    failures = iter([RuntimeError("the action server is down")])

    async def fail_once(_: str) -> None:
        for failure in failures:
            raise failure

    office.assistant.before_saving = fail_once
    office.worker.start()
    await office.inbox.accept(text(1, "hello"))
    assert await office.answers(1) == ["You said: hello"]
    assert office.assistant.heard == ["hello", "hello"]
    assert len(await office.events("user")) == 1


async def test_a_dead_letter_can_be_tried_again_while_the_session_lives(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.turn.ANSWER_WITHIN_SECONDS", 0.0)
    office.assistant.silent = True
    office.worker.start()
    for number, body in enumerate(["one", "two"], 1):
        await office.inbox.accept(text(number, body))
        await office.answers(number)
    dead = DeadLetters(office.store)
    letters = await dead.all()
    assert ["without a reply" in letter.reason for letter in letters] == [True, True]
    office.assistant.silent = False
    assert await dead.retry(letters[0]) is Retry.IN_THE_INBOX
    assert await dead.retry(letters[0]) is Retry.TAKEN_BY_ANOTHER
    assert await office.answers(3) == [SORRY, SORRY, "You said: one"]
    assert await dead.all() == letters[1:]
    await office.store.client.delete(keys.session(await office.conversation()))
    assert await dead.retry(letters[1]) is Retry.SESSION_OVER
    assert await dead.all() == letters[1:]


async def test_half_an_answer_is_none(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """ "One moment" and then a failed action: Rasa would leave it at that."""
    monkeypatch.setattr("connectors.turn.ANSWER_WITHIN_SECONDS", 0.0)

    async def an_action_fails(_: str) -> None:
        turn = current_turn.get()
        assert turn is not None
        turn.failed_actions.append("action_look_up")

    office.assistant.before_saving = an_action_fails
    office.worker.start()
    await office.inbox.accept(text(1, "hello"))
    assert await office.answers(1) == [SORRY]
    [apology] = await office.events("bot")
    assert "action_look_up failed" in apology["metadata"]["reason"]  # type: ignore[index]


async def test_a_turn_that_says_nothing_gets_a_plain_sentence_in_the_end(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.turn.ANSWER_WITHIN_SECONDS", 0.0)
    office.assistant.silent = True
    office.worker.start()
    await office.inbox.accept(text(1, "hello"))
    assert await office.answers(1) == [SORRY]
    assert len(office.assistant.heard) == QUICK_TRIES
    [apology] = await office.events("bot")
    assert "without a reply" in apology["metadata"]["reason"]  # type: ignore[index]
    office.assistant.silent = False
    await office.inbox.accept(text(2, "and now?"))
    assert await office.answers(2) == [SORRY, "You said: and now?"]


async def test_a_paused_conversation_may_stay_silent(office: Office) -> None:
    office.assistant.silent = office.assistant.paused = True
    office.worker.start()
    await office.inbox.accept(text(1, "hello"))
    async with async_timeout.timeout(10):
        while await office.store.client.zcard(office.inbox.lane.due):
            await asyncio.sleep(0.01)
    assert await office.answers(0) == []
    assert len(await office.events("user")) == 1


async def test_a_text_that_kills_the_process_is_given_up(office: Office) -> None:
    await office.inbox.accept(text(1, "poison"))
    await office.store.client.hset(office.inbox.lane.tries, await office.conversation(), "10")
    office.worker.start()
    assert await office.answers(1) == [SORRY]
    assert office.assistant.heard == []
