"""What became of every text, by Twilio's ledger alone: Redis may have forgotten it all.

Each text carries a token, and each answer names the tokens that it answers (see deployment).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

TOKEN = re.compile(r"\bzz[a-z]{3}\b")
NOT_SENT = ("failed", "undelivered", "canceled")
_COLUMNS = (
    ("fault", 50),
    ("texts", 5),
    ("acked", 5),
    ("lost", 4),
    ("dead letters", 12),
    ("doubled", 7),
    ("order", 5),
    ("sorry", 5),
    ("no SQL", 6),
    ("503 s", 6),
    ("again s", 7),
    ("all s", 6),
)
HEADER = " ".join(f"{name:<{width}}" for name, width in _COLUMNS) + " health"

Ledger = Mapping[str, Any]  # of one customer: texts and messages, oldest first


def token(number: int) -> str:
    """Letters only: what a model says of numbers is looked at."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return "zz" + letters[number // 676 % 26] + letters[number // 26 % 26] + letters[number % 26]


@dataclass(frozen=True)
class Health:
    """One look at it, `at` seconds since 1970. `status` 0: no answer."""

    at: float
    status: int
    why: str


@dataclass
class Outcome:
    """One row. Times are seconds since 1970."""

    name: str
    began: float = 0.0
    ended: float = 0.0
    texts: int = 0
    acknowledged: dict[str, str] = field(default_factory=dict)  # SID by token
    lost: list[str] = field(default_factory=list)
    dead_letters: list[str] = field(default_factory=list)  # not answered, and somebody is told so
    doubled: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    apologies: int = 0
    not_in_sql: int = 0
    refused: list[float] = field(default_factory=list)
    said: list[float] = field(default_factory=list)
    health: list[Health] = field(default_factory=list)

    def hear(self, ledger: Ledger) -> None:
        """The evidence of one customer."""
        texts = [(t, tokens_in(t)[0]) for t in ledger["texts"] if tokens_in(t)]
        sent = [m for m in ledger["messages"] if m["status"] not in NOT_SENT]
        self.texts += len(texts)
        taken = {name: t["sid"] for t, name in texts if t["taken"]}
        self.acknowledged.update(taken)
        answered = [name for message in sent for name in tokens_in(message)]
        counts = Counter(answered)
        self.doubled += [name for name, count in counts.items() if count > 1]
        self.out_of_order += _out_of_order(answered)
        apologies = [_seconds(m["created"]) for m in sent if not tokens_in(m)]
        self.apologies += len(apologies)
        accepted = {name: _accepted(t) for t, name in texts if t["taken"]}
        self.lost += [
            name
            for name, at in accepted.items()
            if not counts[name] and not any(apology >= at for apology in apologies)
        ]
        self.said += [_seconds(message["created"]) for message in sent]
        self.refused += [at for t, _ in texts for at in _refusals(t)]

    def set_aside(self, sids: set[str]) -> None:
        """What was not answered and is among these dead letters is not lost in silence."""
        self.dead_letters = [name for name in self.lost if self.acknowledged[name] in sids]
        self.lost = [name for name in self.lost if name not in self.dead_letters]

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.out_of_order or self.not_in_sql)

    @property
    def refused_seconds(self) -> float:
        """From the first webhook that was not taken to the last."""
        return max(self.refused) - min(self.refused) if self.refused else 0.0

    @property
    def again_seconds(self) -> float | None:
        """From the end of the fault to the first message after it; None: never."""
        after = [at - self.ended for at in self.said if at >= self.ended]
        return min(after, default=None)

    @property
    def all_seconds(self) -> float | None:
        """From the end of the fault to the last message after it."""
        after = [at - self.ended for at in self.said if at >= self.ended]
        return max(after, default=None)

    def health_during(self) -> str:
        """What health said from the fault's beginning, by how often, and why."""
        heard = [each for each in self.health if each.at >= self.began]
        counts = Counter((each.status or "none", each.why) for each in heard)
        return ", ".join(
            f"{count}x {status}{why and f' ({why})'}" for (status, why), count in counts.items()
        )

    def row(self) -> str:
        values = (
            self.name,
            self.texts,
            len(self.acknowledged),
            len(self.lost),
            len(self.dead_letters),
            len(self.doubled),
            len(self.out_of_order),
            self.apologies,
            self.not_in_sql,
            f"{self.refused_seconds:.1f}",
            _or_never(self.again_seconds),
            _or_never(self.all_seconds),
        )
        cells = zip(values, _COLUMNS, strict=True)
        return " ".join(f"{value!s:<{w}}" for value, (_, w) in cells) + f" {self.health_during()}"

    def __str__(self) -> str:
        found = {
            "lost": self.lost,
            "dead letters": self.dead_letters,
            "doubled": self.doubled,
            "out of order": self.out_of_order,
        }
        told = [f"{what}: {' '.join(names)}" for what, names in found.items() if names]
        return "; ".join([f"{self.name}: {self.texts} texts", *told, self.health_during()])


def tokens_in(message: Mapping[str, Any]) -> list[str]:
    return TOKEN.findall(str(message["body"]))


def _out_of_order(answered: Iterable[str]) -> list[str]:
    """What was answered after a later text; a second answer is counted elsewhere."""
    found, last = [], ""
    for name in dict.fromkeys(answered):
        if name < last:
            found.append(name)
        last = max(last, name)
    return found


def _accepted(text: Mapping[str, Any]) -> float:
    return min(_seconds(p["answered"]) for p in text["posts"] if p["status"] == 204)


def _refusals(text: Mapping[str, Any]) -> list[float]:
    return [_seconds(p["at"]) for p in text["posts"] if p["answered"] and p["status"] != 204]


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _or_never(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f}"
