"""What an answer leaves open: the rest of a long one, and choices."""

from __future__ import annotations

import asyncio

import pytest

from connectors import keys
from connectors.assistants import Assistants
from connectors.errors import LeaseLost
from connectors.lanes import Lane
from connectors.left_open import LeftOpen
from connectors.turn import Turn
from tests.integration.office import SORRY, Office, claim, claim_of, text

pytestmark = pytest.mark.integration


class TestWhatAnAnswerLeavesOpen:
    """The rest of a long answer, and choices, are kept with the session."""

    async def test_more_brings_the_rest_without_asking_anybody(self, office: Office) -> None:
        office.worker.start()
        await office.inbox.accept(text(1, f"Say it all: {'This is a sentence. ' * 40}"))
        [first] = await office.answers(1)
        assert first.endswith("\nReply MORE for the rest.")
        await office.inbox.accept(text(2, "More!"))
        rest = (await office.answers(2))[1]
        assert "MORE" not in rest
        assert (first.partition("\nReply")[0] + " " + rest).count("This is a sentence.") == 40
        assert len(office.assistant.heard) == 1
        assert [e["metadata"].get("outcome") for e in await office.events("bot")][1] == "more"  # type: ignore[attr-defined]
        await office.inbox.accept(text(3, "more"))
        assert (await office.answers(3))[2] == "That was all."
        await office.inbox.accept(text(4, "thanks"))
        await office.inbox.accept(text(5, "more"))
        await office.answers(4)
        assert office.assistant.heard[1:] in (["thanks\nmore"], ["thanks", "more"])

    async def test_it_lives_and_ends_with_the_session(self, office: Office) -> None:
        office.worker.start()
        await office.inbox.accept(text(1, "This is a sentence. " * 40))
        await office.answers(1)
        session = keys.session(await office.conversation())
        assert "rest" in (await office.store.field(session, "left_open") or "")
        assert 86_395 <= await office.store.client.ttl(session) <= 86_400
        await office.store.client.delete(session, keys.events(await office.conversation()))
        await office.inbox.accept(text(2, "MORE"))
        assert (await office.answers(2))[1] == "You said: MORE"

    async def test_a_crash_before_the_commit_changes_nothing(self, office: Office) -> None:
        """The text is asked for again, and the rest is still there."""
        await office.inbox.accept(text(1, "This is a sentence. " * 40))
        office.worker.start()
        await office.answers(1)
        await office.worker.stop()
        lane = Lane(office.store, "inbox", 50, lease_seconds=0.05)
        await office.inbox.accept(text(2, "MORE"))
        slow = await claim(lane)
        await asyncio.sleep(0.06)  # the lease is a time: only time ends it
        stale = Turn.of(slow, Assistants.load())
        kept = await office.store.field(keys.session(slow.conversation), "left_open")
        stale.left_open = LeftOpen.read(kept)
        await claim(lane)
        with pytest.raises(LeaseLost):
            await office.assistant.sessions.tell_more(stale)
        assert await office.store.field(keys.session(slow.conversation), "left_open") == kept

    async def test_an_apology_instead_of_the_rest_does_not_lose_it(self, office: Office) -> None:
        halves = claim_of(text(1, "more"))
        turn = Turn.of(halves, Assistants.load())
        turn.left_open = LeftOpen("the rest")
        turn.reply.texts.append(SORRY)
        assert turn.leaves_open() == LeftOpen("the rest")

    async def test_the_number_of_a_choice_is_the_choice(self, office: Office) -> None:
        office.assistant.buttons = [
            {"title": "Tune-up", "payload": '/book{"what": "tune-up"}'},
            {"title": "Something else", "payload": "I need something else"},
        ]
        office.worker.start()
        await office.inbox.accept(text(1, "hi"))
        assert (await office.answers(1))[0] == "You said: hi\n1. Tune-up\n2. Something else"
        await office.inbox.accept(text(2, "1."))
        await office.answers(2)
        await office.inbox.accept(text(3, "2"))
        await office.answers(3)
        assert office.assistant.heard == ["hi", "Tune-up", "I need something else"]
        assert office.assistant.understood[1]["intent"]["name"] == "book"
        assert office.assistant.understood[1]["entities"][0]["value"] == "tune-up"
        assert (await office.events("user"))[1]["metadata"]["texts"][0]["body"] == "1."  # type: ignore[index]

    async def test_a_number_without_a_choice_is_a_number(self, office: Office) -> None:
        office.worker.start()
        await office.inbox.accept(text(1, "2"))
        assert await office.answers(1) == ["You said: 2"]
