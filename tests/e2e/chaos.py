"""Trouble of one kind for a while, and the evidence of what became of every text."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
import redis

from connectors import keys
from connectors.ids import conversation_id
from tests.e2e.rehearsal import Rehearsal
from tests.e2e.verdict import Evidence, Record, Verdict
from tests.pretend_business import BUSINESS

SETTLE_SECONDS = 120.0
# A tenth of a second of silence in both lanes could be a gap between two steps; this could not.
QUIET_SECONDS = 1.0


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

    def load(self, customers: int, copies: int, busiest: int = 2) -> list[dict[str, Any]]:
        """Everybody texts once or more."""
        return self.send(
            [
                {"from": self.customer(n), "to": BUSINESS, "body": f"text {k} of customer {n}"}
                for n in range(customers)
                for k in range(self.luck.choice((1, 1, busiest)))
            ],
            copies,
        )

    def send(
        self, texts: list[dict[str, str]], copies: int = 1, retry_for_s: float = 60
    ) -> list[dict[str, Any]]:
        """Each customer's texts in turn; what nobody takes is posted again for a while."""
        answer = self.http.post(
            "/chaos/load",
            json={
                "texts": texts,
                "copies": copies,
                "concurrency": 16,
                "in_order": True,
                "retry_for_s": retry_for_s,
            },
        )
        answer.raise_for_status()
        return list(answer.json()["texts"])

    def waiting(self) -> int:
        """How many customers have something in the inbox or the outbox."""
        try:
            return sum(self.redis.zcard(keys.lane(name)) for name in ("inbox", "outbox"))
        except redis.RedisError:
            return 1

    def nothing_waits(self) -> None:
        self._go_on_until(lambda: not self.waiting())

    def settled(self) -> None:
        """Nothing waits in the inbox or the outbox any more, and nothing comes after it."""
        quiet_since = time.monotonic()

        def quiet() -> bool:
            nonlocal quiet_since
            if self.waiting():
                quiet_since = time.monotonic()
            return time.monotonic() - quiet_since > QUIET_SECONDS

        self._go_on_until(quiet)

    def _go_on_until(self, is_so: Callable[[], bool]) -> None:
        """As long as the session log grows, however slowly."""
        length, moved = 0, time.monotonic()
        while not is_so():
            with suppress(redis.RedisError):
                if (now := self.redis.xlen(keys.LOG)) != length:
                    length, moved = now, time.monotonic()
            assert time.monotonic() - moved < SETTLE_SECONDS, f"{self}: it does not go on"
            time.sleep(0.05)

    def __str__(self) -> str:
        return f"{self.trouble} (seed {self.seed})"

    def verdict(self, texts: list[dict[str, Any]], trouble: str = "") -> Verdict:
        """Hear all witnesses about whoever sent these texts."""
        verdict = Verdict(trouble or self.trouble)
        id_key = str(self.redis.get(keys.ID_KEY))
        log = self._log()
        for customer in dict.fromkeys(text["from"] for text in texts):
            taken = [t["sid"] for t in texts if t["from"] == customer and t["taken"]]
            verdict.hear(self._evidence(customer, taken, id_key, log))
        return verdict

    def what_was_done(self) -> dict[str, int]:
        """What chaos mode did, and calm from now on."""
        counts = self.http.get("/chaos").json()["counts"]
        self.http.delete("/chaos")
        return {f"{kind} {what}": n for kind, of in counts.items() for what, n in of.items()}

    def _evidence(
        self, customer: str, taken: list[str], id_key: str, log: dict[str, list[Record]]
    ) -> Evidence:
        conversation = conversation_id(id_key, BUSINESS, customer)
        events = self.redis.lrange(keys.events(conversation), 0, -1)
        ledger = self.http.get("/chaos/ledger", params={"customer": customer}).json()
        lanes = [keys.lane_items(lane, conversation) for lane in ("inbox", "outbox")]
        return Evidence(
            acknowledged=taken,
            events=[json.loads(event) for event in events],
            log=log.get(conversation, []),
            messages=ledger["messages"],
            waiting=sum(self.redis.llen(lane) for lane in lanes),
        )

    def _log(self) -> dict[str, list[Record]]:
        """The session log by conversation."""
        found: dict[str, list[Record]] = {}
        for _, fields in self.redis.xrange(keys.LOG):
            record = {**fields, "data": json.loads(fields["data"])}
            found.setdefault(fields["conversation"], []).append(record)
        return found
