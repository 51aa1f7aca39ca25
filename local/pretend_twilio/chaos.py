"""Chaos mode: which trouble comes next. First what was scripted, then what the odds make of it.

It decides and counts; who asks, acts. The n-th draw of a kind depends on nothing but the seed, the
odds, the kind and n: the same requests in the same order meet the same trouble again.
"""

from __future__ import annotations

import secrets
from collections import Counter, deque
from dataclasses import dataclass, field
from random import Random
from typing import Generic, TypeVar

from local.pretend_twilio.switches import SWITCHES
from local.pretend_twilio.troubles import (
    Answering,
    AnswerOdds,
    Odds,
    Posting,
    PostingOdds,
    Script,
)

AnyOdds = TypeVar("AnyOdds", AnswerOdds, PostingOdds)


@dataclass
class Line(Generic[AnyOdds]):
    """One kind of request: what is scripted for the next ones, and what was done to the last."""

    kind: str
    script: deque[AnyOdds] = field(default_factory=deque)
    drawn: int = 0
    done: Counter[str] = field(default_factory=Counter)

    def next(self, seed: int, odds: AnyOdds) -> tuple[AnyOdds, Random]:
        """The odds for the next request, and the luck that it has."""
        if self.script:
            # Has luck of its own (for its ranges): a script leaves the luck of later draws alone.
            return self.script.popleft(), _luck(seed, self.kind, "script", self.done["asked"])
        self.drawn += 1
        return odds, _luck(seed, self.kind, self.drawn)

    def count(self, names: list[str]) -> None:
        self.done.update(["asked", *names])


class Chaos:
    def __init__(self) -> None:
        self.calm_down()

    def calm_down(self) -> None:
        """No trouble any more, and none remembered."""
        self.odds = Odds()
        self.seed = new_seed()
        self.messages: Line[AnswerOdds] = Line("messages")
        self.lookups: Line[AnswerOdds] = Line("lookups")
        self.webhooks: Line[PostingOdds] = Line("webhooks")
        self.callbacks: Line[PostingOdds] = Line("callbacks")

    def begin(self, odds: Odds, seed: int | None) -> None:
        """Draw by these odds, from the beginning; what is scripted still comes first."""
        self.odds = odds
        self.seed = new_seed() if seed is None else seed
        for line in self._lines:
            line.drawn = 0

    def turn(self, switch: str, on: bool) -> None:
        """One switch of the phone page; the others, and the luck, go on as they are."""
        self.odds = SWITCHES[switch].turned(self.odds, on)

    def add(self, script: Script) -> None:
        self.messages.script.extend(script.messages)
        self.lookups.script.extend(script.lookups)
        self.webhooks.script.extend(script.webhooks)
        self.callbacks.script.extend(script.callbacks)

    def next_answer(self) -> Answering:
        """What happens to this `POST Messages`."""
        return self._next_answer(self.messages, self.odds.messages)

    def next_lookup(self) -> Answering:
        """What happens to this question about messages."""
        return self._next_answer(self.lookups, self.odds.lookups)

    def next_webhook(self) -> Posting:
        """How this text of a customer is posted."""
        return self._next_posting(self.webhooks, self.odds.webhooks)

    def next_callback(self) -> Posting:
        """How this delivery report is posted."""
        return self._next_posting(self.callbacks, self.odds.callbacks)

    def as_json(self) -> dict[str, object]:
        lines = self._lines
        return {
            "active": not self.odds.is_calm or any(line.script for line in lines),
            "seed": self.seed,
            "settings": self.odds.as_json(),
            "script": {line.kind: [odds.as_json() for odds in line.script] for line in lines},
            "counts": {line.kind: dict(line.done) for line in lines},
            "switches": {name: switch.is_on(self.odds) for name, switch in SWITCHES.items()},
        }

    @property
    def _lines(self) -> tuple[Line[AnswerOdds] | Line[PostingOdds], ...]:
        return self.messages, self.lookups, self.webhooks, self.callbacks

    def _next_answer(self, line: Line[AnswerOdds], usual: AnswerOdds) -> Answering:
        odds, luck = line.next(self.seed, usual)
        answering = odds.draw(luck)
        line.count(answering.names)
        return answering

    def _next_posting(self, line: Line[PostingOdds], usual: PostingOdds) -> Posting:
        odds, luck = line.next(self.seed, usual)
        posting = odds.draw(luck)
        line.count(posting.names)
        return posting


def new_seed() -> int:
    return secrets.randbelow(1_000_000)


def _luck(*of_what: object) -> Random:
    return Random(" ".join(map(str, of_what)))  # noqa: S311 (it shall be predictable)
