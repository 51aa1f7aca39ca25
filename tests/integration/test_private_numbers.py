"""Card numbers are taken out before a text is kept, and before the assistant reads it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from connectors import turn as turn_room
from connectors.assistants import Assistants, LiveAssistants
from connectors.lanes import Claim
from connectors.left_open import LeftOpen
from connectors.store import Store
from connectors.turn import Turn
from tests.integration.office import Office, claim_of, text

pytestmark = pytest.mark.integration


async def test_a_card_number_is_kept_nowhere(office: Office) -> None:
    """Not in the inbox, the log, the tracker or the outbox."""
    await office.inbox.accept(text(1, "My card is 4242 4242 4242 4242, code 12/27 123"))
    await office.inbox.accept(text(2, "and my SSN 123-45-6789"))
    assert "4242" not in await dumped(office.store)
    office.worker.start()
    await office.answers(1)
    everything = await dumped(office.store)
    assert "4242" not in everything
    assert "6789" not in everything
    assert "[card number]" in office.assistant.heard[0]
    assert "[social security number]" in office.assistant.heard[0]


async def test_a_card_number_in_two_texts_does_not_reach_the_assistant() -> None:
    halves = claim_of(text(1, "my card: 5555 5555"), text(2, "5555 4444"))
    turn = Turn.of(halves, Assistants.load())
    assert turn.message().text == "my card: [card number]"


async def dumped(store: Store) -> str:
    """Whatever Redis holds, as text."""
    client: Any = store.client
    read = {
        "string": client.get,
        "hash": client.hgetall,
        "list": lambda key: client.lrange(key, 0, -1),
        "zset": lambda key: client.zrange(key, 0, -1),
        "stream": client.xrange,
    }
    return str([(key, await read[await client.type(key)](key)) async for key in client.scan_iter()])


def test_many_texts_are_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at fifty long texts holds up everybody else's."""
    looked: list[str] = []

    def look(words: str) -> str:
        looked.append(words)
        return words

    monkeypatch.setattr(turn_room, "without_secrets", look)
    items = [f"1 s1 {json.dumps(asdict(text(n, f'{n} ' * 500)))}" for n in range(50)]
    turn = Turn.of(Claim("c", 1, 1, tuple(items)), LiveAssistants().now)
    turn.left_open = LeftOpen(rest="There is more.")
    turn.message()
    turn.leaves_open()
    assert len(looked) == 1
