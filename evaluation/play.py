"""Plays a case: a fresh session, the customer's texts, the assistant's answers on the real path.

What a text and an answer go through is what they go through in service, but for Twilio, Redis and
Rasa's own rules: secrets taken out, the model with its tools, the guards, the layout for SMS.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from actions.assistants import turn_at
from actions.llm_reply import Reply, ReplyWriter
from actions.model import NoAnswer
from connectors.assistant import Assistant
from connectors.layout import LaidOut, Style, lay_out, prepared
from connectors.sensitive import without_secrets
from evaluation.cases import Case, Turn
from evaluation.checks import Answer, failures

WARM_UP_SECONDS = 90.0
JUDGE = (
    "You check answers of an assistant. Say YES if the statement about the last answer is true, or"
    " NO and why, in one short sentence."
)


@dataclass(frozen=True)
class Told:
    """One turn as it was played."""

    customer: str
    answer: Answer
    failures: tuple[str, ...]


@dataclass(frozen=True)
class Played:
    """One case as it was played once."""

    case: Case
    turns: tuple[Told, ...]

    @property
    def passed(self) -> bool:
        return not any(turn.failures for turn in self.turns)


class Player:
    """Plays cases with one model. `now` is what time it is for the assistant."""

    def __init__(
        self, writer: ReplyWriter, now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
    ) -> None:
        self.writer = writer
        self.now = now

    async def warm_up(self, assistant: Assistant) -> None:
        """One question that does not count: the first takes longest, and tells nothing."""
        messages = [{"role": "user", "content": "Hello"}]
        climb = self.writer.ladder.climb(assistant, time.monotonic() + WARM_UP_SECONDS)
        with suppress(NoAnswer):
            await climb.ask(messages, read=lambda _: None)

    async def play(self, case: Case, assistant: Assistant) -> Played:
        events: list[dict[str, Any]] = []
        told = []
        for turn in case.turns:
            answer = await self._answer(turn.customer, events, assistant)
            wrong = [*failures(turn.expect, answer)]
            if turn.expect.judge and not wrong:
                wrong += await self._judged(turn, answer, assistant)
            told.append(Told(turn.customer, answer, tuple(wrong)))
        return Played(case, tuple(told))

    async def _answer(
        self, text: str, events: list[dict[str, Any]], assistant: Assistant
    ) -> Answer:
        text = without_secrets(text.strip())
        events += [{"event": "action", "name": "action_listen"}, {"event": "user", "text": text}]
        reply = await self.writer.reply_to(events, turn_at(self.now(), assistant, {}, text))
        events.append({"event": "bot", "text": reply.text, "metadata": reply.metadata})
        style = Style(assistant.segments, assistant.emoji, assistant.texts.more)
        return _answered(reply, lay_out([prepared(reply.text, style)], style))

    async def _judged(self, turn: Turn, answer: Answer, assistant: Assistant) -> Sequence[str]:
        """What the model itself has against the answer. It judges its own work, so read it so."""
        asked = f"Customer: {turn.customer}\nAnswer: {answer.text}\nStatement: {turn.expect.judge}"
        messages = [{"role": "system", "content": JUDGE}, {"role": "user", "content": asked}]
        climb = self.writer.ladder.climb(assistant, time.monotonic() + assistant.deadline_seconds)
        try:
            said = await climb.ask(messages, read=lambda answer: answer.text.strip())
        except NoAnswer as failure:
            return [f"judge: gave no verdict ({failure.reason})"]
        return [] if said.upper().startswith("YES") else [f"judge: {said or 'said nothing'}"]


def _answered(reply: Reply, laid_out: LaidOut) -> Answer:
    found = reply.metadata
    return Answer(
        text="\n".join(laid_out.messages),
        segments=laid_out.segments,
        outcome=str(found.get("outcome", "")),
        ms=int(found.get("latency_ms", 0)),
        prompt_tokens=int(found.get("prompt_tokens") or 0),
        completion_tokens=int(found.get("completion_tokens") or 0),
        model=str(found.get("model", "")),
        tools=tuple(call["name"] for call in found.get("tools", ())),
        files=tuple(dict.fromkeys(each["file"] for each in found.get("passages", ()))),
    )
