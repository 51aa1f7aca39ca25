"""Trouble of one kind for a while, and the verdict: was every acknowledged text answered once?"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import redis

from tests.e2e.rehearsal import Rehearsal, wait_until
from tests.pretend_business import BUSINESS

SETTLE_SECONDS = 120.0
# A tenth of a second of silence in both lanes could be a gap between two steps; this could not.
QUIET_SECONDS = 1.0


@dataclass
class Verdict:
    """Counts of texts, or of answers where there are too many of them."""

    trouble: str
    texts: int
    answered: int = 0
    lost: int = 0
    doubled: int = 0
    disordered: int = 0
    done: dict[str, int] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.disordered)

    def row(self) -> str:
        done = ", ".join(f"{count} {what}" for what, count in sorted(self.done.items()))
        return (
            f"{self.trouble:<46}{self.texts:>6}{self.answered:>10}{self.lost:>6}"
            f"{self.doubled:>9}{self.disordered:>14}  {done}"
        )


HEADER = (
    f"{'trouble':<46}{'texts':>6}{'answered':>10}{'lost':>6}{'doubled':>9}{'out of order':>14}"
    "  what was done"
)


@dataclass
class Storm:
    """One rehearsal under one kind of trouble, reproducible by its seed."""

    business: Rehearsal
    trouble: str
    seed: int

    def __post_init__(self) -> None:
        self.luck = random.Random(self.seed)
        self.http = httpx.Client(base_url=self.business.url, timeout=180, trust_env=False)
        self.redis: redis.Redis[str] = redis.Redis.from_url(
            self.business.valkey.url, decode_responses=True
        )

        self.first = 15551000000 + self.luck.randrange(10**6) * 10

    def __enter__(self) -> Storm:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        self.redis.close()

    def customer(self, number: int) -> str:
        return f"+{self.first + number}"

    def begin(self, odds: Mapping[str, Any]) -> None:
        self.http.delete("/chaos").raise_for_status()
        if odds:
            answer = self.http.post("/chaos/settings", json={"seed": self.seed, **odds})
            answer.raise_for_status()

    def load(self, customers: int, copies: int) -> list[dict[str, Any]]:
        """Everybody texts once or twice; what nobody takes is posted again for a while."""
        texts = [
            {"from": self.customer(n), "to": BUSINESS, "body": f"text {k} of customer {n}"}
            for n in range(customers)
            for k in range(self.luck.choice((1, 1, 2)))
        ]
        answer = self.http.post(
            "/chaos/load",
            json={
                "texts": texts,
                "copies": copies,
                "concurrency": 8,
                "in_order": True,
                "retry_for_s": 60,
            },
        )
        answer.raise_for_status()
        return list(answer.json()["texts"])

    def settled(self) -> None:
        """Nothing waits in the inbox or the outbox any more."""
        quiet_since = time.monotonic()

        def quiet() -> bool:
            nonlocal quiet_since
            try:
                waiting = self.redis.zcard("sms:inbox") + self.redis.zcard("sms:outbox")
            except redis.RedisError:
                waiting = 1
            if waiting:
                quiet_since = time.monotonic()
            return time.monotonic() - quiet_since > QUIET_SECONDS

        wait_until(quiet, SETTLE_SECONDS, f"{self.trouble} (seed {self.seed}): the last answer")

    def verdict(self, texts: list[dict[str, Any]]) -> Verdict:
        """Compare what was acknowledged, what the sessions say, and what Twilio was given."""
        counts = self.http.get("/chaos").json()["counts"]
        self.http.delete("/chaos")
        verdict = Verdict(self.trouble, len(texts))
        verdict.done = {
            f"{kind} {what}": n for kind, of in counts.items() for what, n in of.items()
        }
        sessions = self._sessions()
        for customer in {text["from"] for text in texts}:
            sids = [t["sid"] for t in texts if t["from"] == customer and t["taken"]]
            self._judge(verdict, customer, sids, sessions.get(customer, []))
        return verdict

    def _sessions(self) -> dict[str, list[dict[str, Any]]]:
        """Events by customer."""
        found = {}
        for name in self.redis.scan_iter("session:*:events", count=1000):
            customer = self.redis.hget(name.removesuffix(":events"), "customer")
            events = [json.loads(event) for event in self.redis.lrange(name, 0, -1)]
            found[str(customer)] = events
        return found

    def _judge(
        self, verdict: Verdict, customer: str, sids: list[str], events: list[dict[str, Any]]
    ) -> None:
        turns = [e for e in events if e["event"] == "user"]
        said = [e["text"] for e in events if e["event"] == "bot"]
        heard = [text["sid"] for turn in turns for text in turn["metadata"]["texts"]]
        ledger = self.http.get("/chaos/ledger", params={"customer": customer}).json()
        received = [m["body"] for m in ledger["messages"]]

        verdict.lost += len(set(sids) - set(heard)) + max(len(turns) - len(received), 0)
        verdict.doubled += len(heard) - len(set(heard)) + max(len(received) - len(turns), 0)
        verdict.disordered += received != said
        verdict.disordered += [s for s in heard if s in sids] != sids
        verdict.answered += len(set(sids) & set(heard)) if len(turns) == len(received) else 0
