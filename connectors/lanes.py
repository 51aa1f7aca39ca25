"""Lanes: customers with something to do, in order, each in the hands of one worker at a time.

A lane is a sorted set of conversations by the time they are due. Claiming one moves its due time
to the end of a lease, so a worker that dies or hangs needs nobody to notice: the conversation is
due again by itself. Every claim carries a fence number, and whatever the worker writes is refused
once a later claim was made.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from connectors import keys
from connectors.errors import LeaseLost
from connectors.store import Store

LEASE_SECONDS = 10.0
BACKOFF_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)


@dataclass(frozen=True)
class Claim:
    """One conversation, held until committed, released, or the lease is lost.

    `tries` counts claims since the last success, this one included; `items` are the oldest first.
    `next_seconds` is how long nothing else is due.
    """

    conversation: str
    fence: int
    tries: int
    items: tuple[str, ...]
    next_seconds: float = 0.0


def backoff(tries: int, longest: float = BACKOFF_SECONDS[-1]) -> float:
    """Seconds to wait after the given number of failures, with jitter against stampedes."""
    base = min(BACKOFF_SECONDS[min(max(tries, 1), len(BACKOFF_SECONDS)) - 1], longest)
    return base * random.uniform(0.75, 1.25)  # noqa: S311 (no secret depends on it)


class Lane:
    """The lane called `name` ("inbox" or "outbox"); claims carry at most `batch` items."""

    def __init__(
        self, store: Store, name: str, batch: int, lease_seconds: float = LEASE_SECONDS
    ) -> None:
        self.store = store
        self.name = name
        self.batch = batch
        self.lease_seconds = lease_seconds
        self.due = keys.lane(name)
        self.leases = keys.lane_leases(name)
        self.tries = keys.lane_tries(name)
        self.wake = keys.lane_wake(name)

    def items(self, conversation: str) -> str:
        return keys.lane_items(self.name, conversation)

    def freed(self, conversation: str) -> str:
        return keys.lane_freed(self.name, conversation)

    async def claim(self) -> Claim | float:
        """A conversation that is due, or the seconds until one is."""
        answer = await self.store.step(
            "claim",
            [self.due, self.leases, self.tries, keys.FENCE],
            [self._lease_ms, keys.lane_items_prefix(self.name), self.batch],
        )
        if len(answer) == 1:
            return float("inf") if answer[0] < 0 else answer[0] / 1000
        next_ms, conversation, fence, tries, items = answer
        return Claim(conversation, int(fence), int(tries), tuple(items), next_ms / 1000)

    async def renew(self, claim: Claim) -> None:
        """Begin the lease anew. Raises LeaseLost."""
        held(
            await self.store.step(
                "renew",
                [self.due, self.leases],
                [claim.conversation, claim.fence, self._lease_ms],
            )
        )

    async def release(self, claim: Claim, delay: float, *, counts: bool = True) -> None:
        """Give the claim back, due again after `delay` seconds. Raises LeaseLost."""
        held(
            await self.store.step(
                "release",
                [self.due, self.leases, self.tries],
                [
                    claim.conversation,
                    claim.fence,
                    int(delay * 1000),
                    self.wake,
                    "0" if counts else "1",
                    self.freed(claim.conversation),
                ],
            )
        )

    @property
    def _lease_ms(self) -> int:
        return int(self.lease_seconds * 1000)


def held(answer: int) -> None:
    """Raises LeaseLost if a step answered that somebody else has the conversation."""
    if not answer:
        raise LeaseLost("another worker has this conversation by now")
