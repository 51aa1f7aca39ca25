"""An outage under load: customers text before, during and after it, and health is watched."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx

from tests.e2e.deployment import Deployment
from tests.e2e.outcome import Health, Outcome, token
from tests.pretend_business import BUSINESS

BEFORE_SECONDS = 2.0
RETRY_SECONDS = 30.0
HEALTH_EVERY_SECONDS = 0.5
# So long nothing more may come before a verdict: leases that a dead process held are lost by then.
PATIENCE_SECONDS = 45.0
QUIET_SECONDS = 2.0
TO_SQL_SECONDS = 30.0

Step = Callable[[Deployment], object]


def nothing(_: Deployment) -> None:
    """For faults that end by themselves."""


@dataclass(frozen=True)
class Fault:
    """What happens to a deployment, how it ends, and how long it lasts."""

    name: str
    begin: Step
    end: Step = nothing
    seconds: float | None = None  # None: as long as the row wants
    before_seconds: float = BEFORE_SECONDS


@dataclass(frozen=True)
class Load:
    texts: int = 120
    customers: int = 30
    outage_seconds: float = 8.0
    after_seconds: float = 3.0

    def times(self, luck: Random, seconds: float) -> list[float]:
        """When the texts of one customer are due, seconds from the beginning."""
        return sorted(luck.uniform(0, seconds) for _ in range(self.texts // self.customers))


@dataclass
class Outage:
    """One fault in one deployment, reproducible by its seed as far as time allows."""

    business: Deployment
    fault: Fault
    load: Load
    seed: int
    progress: Callable[[str], object] = field(default=lambda _: None)
    settle_seconds: float = 0.0  # what comes late, as after a failover, is waited for
    patience_seconds: float = PATIENCE_SECONDS

    def __post_init__(self) -> None:
        self.luck = Random(self.seed)
        self.outcome = Outcome(self.fault.name)
        first = 15560000000 + self.luck.randrange(10**6) * 100
        self.customers = [f"+{first + n}" for n in range(self.load.customers)]

    def run(self) -> Outcome:
        seconds = self.load.outage_seconds if self.fault.seconds is None else self.fault.seconds
        whole = self.fault.before_seconds + seconds + self.load.after_seconds
        texting = threading.Thread(target=asyncio.run, args=(self._everybody(whole),))
        with self._watched_health():
            texting.start()
            time.sleep(self.fault.before_seconds)
            self.progress("the fault begins")
            self.outcome.began = time.time()
            self.fault.begin(self.business)
            time.sleep(seconds)
            self.fault.end(self.business)
            self.outcome.ended = time.time()
            self.progress("the fault is over")
            texting.join()
            self._settle()
        return self._verdict()

    async def _everybody(self, seconds: float) -> None:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            base_url=self.business.twilio_url, limits=limits, timeout=120, trust_env=False
        ) as http:
            lanes = [
                self._lane(http, customer, n, self.load.times(self.luck, seconds))
                for n, customer in enumerate(self.customers)
            ]
            await asyncio.gather(*lanes)

    async def _lane(
        self, http: httpx.AsyncClient, customer: str, number: int, due: list[float]
    ) -> None:
        """One customer; the next text only after Twilio has got rid of the one before."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for k, at in enumerate(due):
            await asyncio.sleep(max(0.0, began + at - loop.time()))
            body = f"text {token(number * len(due) + k)}"
            text = {"from": customer, "to": BUSINESS, "body": body}
            given = {"texts": [text], "retry_for_s": RETRY_SECONDS}
            answer = await http.post("/chaos/load", json=given)
            if not answer.json()["texts"][0]["taken"]:
                return  # a customer who cannot get through does not go on

    @contextmanager
    def _watched_health(self) -> Iterator[None]:
        over = threading.Event()
        watching = threading.Thread(target=self._watch, args=(over,))
        watching.start()
        try:
            yield
        finally:
            over.set()
            watching.join()

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(HEALTH_EVERY_SECONDS):
            at = time.time()
            try:
                answer = httpx.get(self.business.rasa.health, timeout=5, trust_env=False)
                look = Health(at, answer.status_code, _why(answer))
            except httpx.HTTPError as error:
                look = Health(at, 0, type(error).__name__)
            self.outcome.health.append(look)

    def _settle(self) -> None:
        """All is answered and nothing more comes; or nothing has come for a long time."""
        seen, moved = -1, time.monotonic()
        until = moved + self.settle_seconds
        while True:
            now = self._heard()
            if len(now.said) != seen:
                seen, moved = len(now.said), time.monotonic()
                self.progress(f"{len(now.acknowledged)} acknowledged, {len(now.lost)} not answered")
            still = time.monotonic() - moved
            enough = QUIET_SECONDS if not now.lost else self.patience_seconds
            if still > enough and time.monotonic() > until:
                return
            time.sleep(HEALTH_EVERY_SECONDS)

    def _heard(self) -> Outcome:
        outcome = Outcome(self.fault.name)
        with httpx.Client(base_url=self.business.twilio_url, timeout=20, trust_env=False) as http:
            for customer in self.customers:
                outcome.hear(http.get("/chaos/ledger", params={"customer": customer}).json())
        return outcome

    def _verdict(self) -> Outcome:
        found, outcome = self._heard(), self.outcome
        found.began, found.ended, found.health = outcome.began, outcome.ended, outcome.health
        found.set_aside(self.business.dead_letters())
        found.not_in_sql = self._missing_in_sql(set(found.acknowledged.values()))
        return found

    def _missing_in_sql(self, sids: set[str]) -> int:
        """After a time in which the review app can catch up."""
        until = time.monotonic() + TO_SQL_SECONDS
        while missing := sids - self.business.known_to_sql(sids):
            if time.monotonic() > until:
                break
            time.sleep(HEALTH_EVERY_SECONDS)
        return len(missing)


def _why(answer: httpx.Response) -> str:
    """The words of health, where it has a complaint."""
    try:
        said: dict[str, Any] = answer.json()
    except ValueError:
        return ""
    complaints = [said[name] for name in ("why", "redis", "status") if said.get(name)]
    return next((str(each) for each in complaints if each != "ok"), "")
