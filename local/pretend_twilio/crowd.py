"""Many texts at once, for tests: as fast as the business takes them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from local.pretend_twilio.config import PretendConfig
from local.pretend_twilio.errors import Unusable
from local.pretend_twilio.guard import only
from local.pretend_twilio.inbound import Inbound, Text, read_text
from local.pretend_twilio.ledger import as_entry
from local.pretend_twilio.store import Answer, Message, Store

_FIELDS = ("texts", "copies", "concurrency", "in_order", "retry_for_s")
_MOST_TEXTS, _MOST_COPIES, _MOST_AT_ONCE = 50_000, 20, 500
_LONGEST_RETRY_S = 3600
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0


@dataclass(frozen=True)
class Load:
    texts: tuple[Text, ...]
    copies: int
    concurrency: int  # texts at a time, each with all its copies
    in_order: bool  # a customer's next text only after the answer to the one before
    retry_for_s: float  # for what nobody took; a real Twilio would ask its fallback URL

    def lanes(self) -> Iterable[list[Text]]:
        """Texts that follow each other; lanes do not wait for lanes."""
        if not self.in_order:
            return ([text] for text in self.texts)
        lanes: dict[tuple[str, str], list[Text]] = {}
        for text in self.texts:
            lanes.setdefault((text.sender, text.to), []).append(text)
        return lanes.values()


class Crowd:
    def __init__(self, config: PretendConfig, store: Store, inbound: Inbound) -> None:
        self.config = config
        self.store = store
        self.inbound = inbound

    async def send(self, given: dict[str, Any]) -> list[dict[str, object]]:
        """All the texts, and what became of each, in the order in which they were given."""
        load = read_load(given, self.config.numbers)
        room = asyncio.Semaphore(load.concurrency)
        sent: dict[int, Message] = {}  # by id(): the same text may be given twice

        async def lane(texts: list[Text]) -> None:
            for text in texts:
                async with room:
                    sent[id(text)] = await self._one(text, load)

        await asyncio.gather(*map(lane, load.lanes()))
        return [as_entry(self.store, sent[id(text)]) for text in load.texts]

    async def _one(self, text: Text, load: Load) -> Message:
        loop = asyncio.get_running_loop()
        give_up = loop.time() + load.retry_for_s
        message, answer = await self.inbound.take(text, load.copies)
        for attempt in itertools.count():
            pause = min(_FIRST_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S)
            if not is_missed(answer) or loop.time() + pause > give_up:
                break
            await asyncio.sleep(pause)
            answer = await self.inbound.again(message)
        return self.store.get(message.sid) or message


def is_missed(answer: Answer) -> bool:
    """Nobody there, no answer in time, or one that says: not now. But not what was never posted."""
    return answer.code is not None and (answer.status is None or answer.status >= 500)


def read_load(given: dict[str, Any], numbers: tuple[str, ...]) -> Load:
    only(given, *_FIELDS)
    texts = given.get("texts")
    if not isinstance(texts, list) or not 0 < len(texts) <= _MOST_TEXTS:
        raise Unusable(f"texts must be a list of 1 to {_MOST_TEXTS}")
    in_order = given.get("in_order", False)
    if not isinstance(in_order, bool):
        raise Unusable("in_order must be true or false")
    return Load(
        texts=tuple(read_text(text, numbers) for text in texts),
        copies=int(_number(given, "copies", 1, 1, _MOST_COPIES)),
        concurrency=int(_number(given, "concurrency", 50, 1, _MOST_AT_ONCE)),
        in_order=in_order,
        retry_for_s=_number(given, "retry_for_s", 0, 0, _LONGEST_RETRY_S),
    )


def _number(given: dict[str, Any], name: str, usual: float, least: int, most: int) -> float:
    value = given.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise Unusable(f"{name} must be between {least} and {most}")
    return value
