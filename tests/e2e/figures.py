"""Figures for two promises: nobody waits for a slow customer, nobody waits for a dead Redis."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from connectors import keys
from tests.e2e.chaos import Storm
from tests.e2e.processes import wait_until
from tests.e2e.verdict import Verdict
from tests.fakes.model import FakeModel
from tests.pretend_business import BUSINESS

SLOW_MODEL_SECONDS = 30.0


def slow_customers(storm: Storm, model: FakeModel, slow: int, others: int) -> Verdict:
    """How long others wait while the model thinks about the slow ones, and how long without."""
    storm.trouble = f"{slow} customers whose model takes {SLOW_MODEL_SECONDS:g} s"
    storm.begin({})
    before = storm.send(_texts(storm, range(others), "hello"))
    storm.settled()
    asked = len(model.requests)
    model.slow = {"slow": SLOW_MODEL_SECONDS}
    held_up = storm.send(_texts(storm, range(100, 100 + slow), "slow"))
    wait_until(lambda: len(model.requests) >= asked + slow, 20, "the model's work")
    during = storm.send(_texts(storm, range(others), "and now?"))
    wait_until(lambda: all(_seconds(storm, during)), 60, "their answers", every_seconds=0.5)
    early = [seconds for seconds in _seconds(storm, held_up) if seconds]
    storm.settled()
    model.slow = {}
    verdict = storm.verdict(before + held_up + during)
    verdict.done = {
        "ms is the median without": _median_ms(_seconds(storm, before)),
        "ms is the median meanwhile": _median_ms(_seconds(storm, during)),
        "slow ones answered before the others": len(early),
    }
    return verdict


def without_valkey(storm: Storm, how: str, texts: int) -> Verdict:
    """What webhooks are told while Valkey is away, and how soon; then it comes back."""
    storm.trouble = f"Valkey {how} for a while"
    storm.begin({})
    valkey = storm.business.valkey
    go, come = (valkey.stop, valkey.start) if how == "killed" else (valkey.freeze, valkey.thaw)
    go()
    try:
        refused = storm.send(_texts(storm, range(texts), "anybody there?"), retry_for_s=0)
    finally:
        come()
    for text in refused:
        # They count as refused for good: the reconciler must not find them in the middle of it.
        storm.redis.set(keys.seen(text["sid"]), "", nx=True, ex=keys.SEEN_SECONDS)
    posts = [post for text in refused for post in text["posts"]]
    slowest = max(_between(post["at"], post["answered"]) for post in posts)
    sent = storm.send(_texts(storm, range(texts), "and now?"))
    storm.settled()
    verdict = storm.verdict(sent)
    verdict.done = {
        "answers with 503": sum(post["status"] == 503 for post in posts),
        "ms was the slowest": round(slowest * 1000),
    }
    return verdict


def _texts(storm: Storm, numbers: Iterable[int], body: str) -> list[dict[str, str]]:
    return [{"from": storm.customer(n), "to": BUSINESS, "body": body} for n in numbers]


def _seconds(storm: Storm, texts: list[dict[str, Any]]) -> list[float]:
    """From each text to the first answer after it; 0 while there is none."""
    ledger = storm.http.get("/chaos/ledger").json()["messages"]
    return [
        next(
            (
                _between(text["created"], message["created"])
                for message in ledger
                if message["to"] == text["from"] and message["created"] > text["created"]
            ),
            0,
        )
        for text in texts
    ]


def _between(one: str, other: str) -> float:
    return (datetime.fromisoformat(other) - datetime.fromisoformat(one)).total_seconds()


def _median_ms(seconds: list[float]) -> int:
    return round(statistics.median(seconds) * 1000)
