"""The verdict: four witnesses about one customer, and whether they tell of the same. Pure.

Twilio's ledger, the tracker, the session log, and what still waits in Redis.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.outbox import RANKS

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Evidence:
    """About one customer; everything in the order in which it happened."""

    acknowledged: Sequence[str]  # SIDs of the texts that got a 204
    events: Sequence[Record]  # the tracker
    log: Sequence[Record]  # the session log's records, with their data
    messages: Sequence[Record]  # what Twilio was given: sid, body
    waiting: int = 0  # texts in the inbox and parts in the outbox

    @property
    def turns(self) -> list[list[str]]:
        """The SIDs of the texts that each turn answered, by the tracker."""
        users = (e for e in self.events if e["event"] == "user")
        return [[text["sid"] for text in user["metadata"]["texts"]] for user in users]

    @property
    def said(self) -> list[str]:
        """What the tracker says was said; answers in storms are short, a message each."""
        return [event["text"] for event in self.events if event["event"] == "bot"]

    def logged(self, kind: str) -> list[Record]:
        return [record["data"] for record in self.log if record["kind"] == kind]


def lost(evidence: Evidence) -> int:
    """Acknowledged texts that no turn has, and turns whose answer Twilio was not given."""
    heard = {sid for turn in evidence.turns for sid in turn}
    unheard = len(set(evidence.acknowledged) - heard)
    return unheard + max(len(evidence.said) - len(evidence.messages), 0)


def doubled(evidence: Evidence) -> int:
    """Texts in more than one turn, and messages that no turn asked for."""
    heard = [sid for turn in evidence.turns for sid in turn]
    return len(heard) - len(set(heard)) + max(len(evidence.messages) - len(evidence.said), 0)


def disordered(evidence: Evidence) -> int:
    heard = [sid for turn in evidence.turns for sid in turn]
    in_order = [sid for sid in heard if sid in set(evidence.acknowledged)]
    received = [message["body"] for message in evidence.messages]
    return (received != evidence.said) + (in_order != list(evidence.acknowledged))


def disagreed(evidence: Evidence) -> list[str]:
    """Where the session log, or what waits in Redis, contradicts the others."""
    turns = evidence.logged("turn")
    asked_for = [part["id"] for turn in turns for part in turn["parts"]]
    sent = evidence.logged("part.sent")
    dropped = {record["part"] for record in evidence.logged("part.dropped")}
    contradictions = {
        "texts in the log are those of the tracker": (
            [record["sid"] for record in evidence.logged("text")],
            [sid for turn in evidence.turns for sid in turn],
        ),
        "turns in the log are those of the tracker": (
            [turn["texts"] for turn in turns],
            evidence.turns,
        ),
        "events in the log are those of the tracker": (
            [event for turn in turns for event in turn["events"]],
            list(evidence.events),
        ),
        "parts were sent once, as the turns asked for them": (
            [record["part"] for record in sent],
            [part for part in asked_for if part not in dropped],
        ),
        "Twilio has what the log says was sent": (
            [record["sid"] for record in sent],
            [message["sid"] for message in evidence.messages],
        ),
        "delivery states never go back": (_steps_back(evidence.logged("part.status")), 0),
        "nothing waits": (evidence.waiting, 0),
    }
    return [what for what, (one, other) in contradictions.items() if one != other]


def _steps_back(reports: Sequence[Record]) -> int:
    far: dict[str, int] = {}
    back = 0
    for report in reports:
        rank = RANKS[report["status"]]
        back += rank <= far.get(report["sid"], -1)
        far[report["sid"]] = rank
    return back


@dataclass
class Verdict:
    """Counts of texts, or of answers where there are too many of them."""

    trouble: str
    texts: int = 0
    answered: int = 0
    lost: int = 0
    doubled: int = 0
    disordered: int = 0
    disagreed: Counter[str] = field(default_factory=Counter)
    done: dict[str, int] = field(default_factory=dict)

    def hear(self, evidence: Evidence) -> None:
        """Add one customer."""
        mine = lost(evidence), doubled(evidence), disordered(evidence)
        self.texts += len(evidence.acknowledged)
        self.answered += len(evidence.acknowledged) if not any(mine) else 0
        self.lost += mine[0]
        self.doubled += mine[1]
        self.disordered += mine[2]
        self.disagreed.update(disagreed(evidence))

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.disordered or self.disagreed)

    def row(self) -> str:
        done = ", ".join(f"{count} {what}" for what, count in sorted(self.done.items()))
        return (
            f"{self.trouble:<55}{self.texts:>6}{self.answered:>10}{self.lost:>6}"
            f"{self.doubled:>9}{self.disordered:>14}{self.disagreed.total():>11}  {done}"
        )


HEADER = (
    f"{'trouble':<55}{'texts':>6}{'answered':>10}{'lost':>6}{'doubled':>9}{'out of order':>14}"
    f"{'log differs':>13}  what was done"
)
