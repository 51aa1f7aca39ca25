"""What can go wrong between Twilio and the business, how likely it is, and what it came to. Pure.

Two kinds of odds: for how a request about messages is answered, and for how a form (an inbound
text, a delivery report) is posted. A scripted trouble is odds that leave nothing to chance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from local.pretend_twilio.errors import Unusable

Span = tuple[int, int]

# "after": the message is taken first, so it goes out although its sender is not told so.
ANSWERS = ("429", "500", "500 after", "hang", "hang after", "cut", "cut after")
# Who only asks changes nothing, so there is no "after".
LOOKUP_ANSWERS = tuple(answer for answer in ANSWERS if not answer.endswith("after"))
CALM = "ok"
KINDS = ("messages", "lookups", "webhooks", "callbacks")

_MAX_MS = 600_000
_MAX_COPIES = 20


@dataclass(frozen=True)
class Answering:
    """How one request about messages is answered; `do` is one of ANSWERS, or "" for as usual."""

    do: str = ""
    latency_ms: int = 0
    retry_after_s: int = 1

    @property
    def takes(self) -> bool:
        """Is the message taken, whatever its sender is told?"""
        return not self.do or self.do.endswith(" after")

    @property
    def act(self) -> str:
        return self.do.removesuffix(" after")

    @property
    def names(self) -> list[str]:
        return [*([self.do] if self.do else []), *(["latency"] if self.latency_ms else [])]

    @property
    def words(self) -> tuple[str, ...]:
        """For the bubble of a message that was taken all the same."""
        late = [f"taken {self.latency_ms} ms late"] if self.latency_ms else []
        acts = {"500": "answered with 500", "hang": "never answered", "cut": "connection cut"}
        return (*late, *([acts[self.act]] if self.act else []))


@dataclass(frozen=True)
class AnswerOdds:
    odds: tuple[tuple[str, float], ...] = ()
    latency_ms: Span = (0, 0)
    retry_after_s: Span = (1, 1)

    @property
    def is_troubled(self) -> bool:
        """Latency aside: that is not Twilio's trouble, it is the network's."""
        return any(p for _, p in self.odds)

    def draw(self, chance: Random) -> Answering:
        luck = chance.random()
        latency_ms = chance.randint(*self.latency_ms)
        retry_after_s = chance.randint(*self.retry_after_s)
        for do, odds in self.odds:
            if luck < odds:
                return Answering(do, latency_ms, retry_after_s)
            luck -= odds
        return Answering("", latency_ms)

    def as_json(self) -> dict[str, object]:
        return {
            **dict(self.odds),
            "latency_ms": list(self.latency_ms),
            "retry_after_s": list(self.retry_after_s),
        }


@dataclass(frozen=True)
class Posting:
    """How one form is posted: once for each delay, not at all if there is none."""

    delays_ms: tuple[int, ...] = (0,)
    # Each copy only after the answer to the one before; otherwise all at once.
    in_turn: bool = False
    # Waits at most so long for the next text or report to overtake this one.
    held_ms: int = 0

    def at_least(self, copies: int) -> Posting:
        missing = copies - len(self.delays_ms)
        if not self.delays_ms or missing <= 0:
            return self
        return Posting(self.delays_ms + self.delays_ms[:1] * missing, self.in_turn, self.held_ms)

    @property
    def is_plain(self) -> bool:
        return self == Posting()

    @property
    def names(self) -> list[str]:
        happened = {
            "lost": not self.delays_ms,
            "duplicate": len(self.delays_ms) > 1,
            "late": any(self.delays_ms),
            "reorder": self.held_ms > 0,
        }
        return [name for name, is_so in happened.items() if is_so]

    @property
    def words(self) -> tuple[str, ...]:
        copies = len(self.delays_ms)
        words = {
            "never posted": not copies,
            f"posted {copies} times {'in turn' if self.in_turn else 'at once'}": copies > 1,
            f"{max(self.delays_ms, default=0)} ms late": any(self.delays_ms),
            "held back": self.held_ms > 0,
        }
        return tuple(word for word, is_so in words.items() if is_so)


@dataclass(frozen=True)
class PostingOdds:
    lost: float = 0
    duplicate: float = 0
    copies: Span = (2, 2)  # how many posts a duplicate makes in all
    together: float = 1  # copies at once; otherwise one after another
    late: float = 0
    delay_ms: Span = (500, 3000)  # drawn for each copy
    reorder: float = 0
    hold_ms: int = 2000

    @property
    def is_troubled(self) -> bool:
        return any((self.lost, self.duplicate, self.late, self.reorder))

    def draw(self, chance: Random) -> Posting:
        # Everything is drawn, always: one odd changed leaves the luck of the others alone.
        odds = (self.lost, self.duplicate, self.together, self.late, self.reorder)
        lost, duplicate, together, late, reorder = [chance.random() < each for each in odds]
        copies = chance.randint(*self.copies)
        if lost:
            return Posting(())
        return Posting(
            delays_ms=tuple(
                chance.randint(*self.delay_ms) if late else 0
                for _ in range(copies if duplicate else 1)
            ),
            in_turn=duplicate and not together,
            held_ms=self.hold_ms if reorder else 0,
        )

    def as_json(self) -> dict[str, object]:
        return {
            "lost": self.lost,
            "duplicate": self.duplicate,
            "copies": list(self.copies),
            "together": self.together,
            "late": self.late,
            "delay_ms": list(self.delay_ms),
            "reorder": self.reorder,
            "hold_ms": self.hold_ms,
        }


@dataclass(frozen=True)
class Odds:
    """How likely what is: for messages from the business and its questions about them, and for
    webhooks and callbacks to it."""

    messages: AnswerOdds = field(default_factory=AnswerOdds)
    lookups: AnswerOdds = field(default_factory=AnswerOdds)
    webhooks: PostingOdds = field(default_factory=PostingOdds)
    callbacks: PostingOdds = field(default_factory=PostingOdds)

    @property
    def is_calm(self) -> bool:
        kinds = (self.messages, self.lookups, self.webhooks, self.callbacks)
        latency = self.messages.latency_ms[1] or self.lookups.latency_ms[1]
        return not latency and not any(odds.is_troubled for odds in kinds)

    def as_json(self) -> dict[str, object]:
        return {
            "messages": self.messages.as_json(),
            "lookups": self.lookups.as_json(),
            "webhooks": self.webhooks.as_json(),
            "callbacks": self.callbacks.as_json(),
        }


@dataclass(frozen=True)
class Script:
    """Certain trouble for the next ones of each kind, in turn."""

    messages: tuple[AnswerOdds, ...] = ()
    lookups: tuple[AnswerOdds, ...] = ()
    webhooks: tuple[PostingOdds, ...] = ()
    callbacks: tuple[PostingOdds, ...] = ()


def read_script(given: Mapping[str, Any]) -> Script:
    """A list for each kind that shall meet trouble. Raises Unusable."""
    return Script(
        messages=tuple(map(read_answer_odds, _list(given, "messages"))),
        lookups=tuple(map(read_lookup_odds, _list(given, "lookups"))),
        webhooks=tuple(map(read_posting_odds, _list(given, "webhooks"))),
        callbacks=tuple(map(read_posting_odds, _list(given, "callbacks"))),
    )


def read_odds(given: Mapping[str, Any]) -> Odds:
    """The odds of all kinds; a kind that is left out is calm. Raises Unusable."""
    return Odds(
        messages=read_answer_odds(given.get("messages", {})),
        lookups=read_lookup_odds(given.get("lookups", {})),
        webhooks=read_posting_odds(given.get("webhooks", {})),
        callbacks=read_posting_odds(given.get("callbacks", {})),
    )


def read_lookup_odds(given: Any) -> AnswerOdds:
    """As for messages, but nothing is taken."""
    return read_answer_odds(given, LOOKUP_ANSWERS)


def read_answer_odds(given: Any, answers: tuple[str, ...] = ANSWERS) -> AnswerOdds:
    """`{"429": 0.05, "latency_ms": [0, 300]}`, or a word for what is certain: `"500 after"`."""
    given = _fields(given, (*answers, "latency_ms", "retry_after_s"))
    odds = tuple((name, _chance(name, given[name])) for name in answers if name in given)
    if math.fsum(p for _, p in odds) > 1:
        raise Unusable("the odds for answers add up to more than 1")
    return AnswerOdds(
        odds=odds,
        latency_ms=_span("latency_ms", given.get("latency_ms", 0)),
        retry_after_s=_span("retry_after_s", given.get("retry_after_s", 1)),
    )


def read_posting_odds(given: Any) -> PostingOdds:
    """`{"duplicate": 0.3, "delay_ms": [0, 200]}`, or a word for what is certain: `"reorder"`."""
    given = _fields(given, tuple(PostingOdds.__dataclass_fields__))
    usual = PostingOdds()
    chances = {
        name: _chance(name, given.get(name, getattr(usual, name)))
        for name in ("lost", "duplicate", "together", "reorder")
    }
    return PostingOdds(
        **chances,
        # To give a delay is to want it.
        late=_chance("late", given.get("late", 1 if "delay_ms" in given else 0)),
        copies=_span("copies", given.get("copies", usual.copies[0]), 1, _MAX_COPIES),
        delay_ms=_span("delay_ms", given.get("delay_ms", list(usual.delay_ms))),
        hold_ms=_span("hold_ms", given.get("hold_ms", usual.hold_ms), 1)[0],
    )


def _fields(given: Any, known: tuple[str, ...]) -> dict[str, Any]:
    if isinstance(given, str):
        given = {} if given == CALM else {given: 1}
    if not isinstance(given, dict):
        raise Unusable("a trouble is a word or an object")
    if unknown := sorted(set(given) - set(known)):
        raise Unusable(f"{unknown[0]!r} is none of: {', '.join((*known, CALM))}")
    return given


def _list(given: Mapping[str, Any], name: str) -> list[Any]:
    found = given.get(name, [])
    if not isinstance(found, list):
        raise Unusable(f"{name} must be a list")
    return found


def _chance(name: str, given: Any) -> float:
    if not isinstance(given, (int, float)) or not 0 <= given <= 1:
        raise Unusable(f"{name} must be between 0 and 1")
    return float(given)


def _span(name: str, given: Any, least: int = 0, most: int = _MAX_MS) -> Span:
    """A number for exactly this, or the least and the most."""
    ends = given if isinstance(given, list) else [given, given]
    if len(ends) != 2 or not all(type(end) is int for end in ends):
        raise Unusable(f"{name} must be a whole number, or two for a range")
    if not least <= ends[0] <= ends[1] <= most:
        raise Unusable(f"{name} must be within {least} and {most}, the smaller end first")
    return ends[0], ends[1]
