"""Probe: one atomic step that writes to Redis and reads how everything stands."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors import keys
from connectors.store import Store

# The limit of the log stream is looked at every second. When nobody looks, texts are accepted.
FULL_FOR_SECONDS = 10
WARN_AT = 0.5
LANES = ("inbox", "outbox")


@dataclass(frozen=True)
class LaneProbe:
    """What waits in a lane. `unmoved_seconds`: for so long the first in line has been due, as far
    as we have seen, and nobody took it."""

    name: str
    waiting: int
    due: int
    oldest_due_seconds: float
    unmoved_seconds: float


@dataclass(frozen=True)
class Probe:
    """How everything stood a moment ago. `log_limit_bytes`: 0 is none."""

    opt_outs_known: bool
    opt_outs_not_in_sql: int
    log_records: int
    log_bytes: int
    log_limit_bytes: int
    log_is_full: bool
    lanes: tuple[LaneProbe, ...]
    refused_today: Mapping[str, int]

    @property
    def log_is_long(self) -> bool:
        """Is it time to look after whoever should take the log stream?"""
        return 0 < self.log_limit_bytes * WARN_AT <= self.log_bytes


class Prober:
    """Has one question to Redis under way at a time. Whoever asks meanwhile shares the next one, so
    what is told is never older than the question.

    `log_limit_bytes` is how long the log stream may become, 0: as long as it likes; it never may
    have more than half of Redis' `maxmemory`.
    """

    def __init__(self, store: Store, log_limit_bytes: int = 0) -> None:
        self.store = store
        self.log_limit_bytes = log_limit_bytes
        self._asking: asyncio.Task[Probe] | None = None
        self._next: asyncio.Task[Probe] | None = None
        self._heads: dict[str, tuple[str, float]] = {}  # who is first in which lane, and since when

    async def probe(self) -> Probe:
        """How it stands now. Raises StoreUnavailable."""
        if self._next is None:
            self._next = asyncio.create_task(self._ask_after(self._asking), name="probe")
        return await asyncio.shield(self._next)

    async def _ask_after(self, asking: asyncio.Task[Probe] | None) -> Probe:
        if asking is not None:
            await asyncio.wait({asking})
        self._asking, self._next = self._next, None
        return await self._ask()

    async def _ask(self) -> Probe:
        now_ms, whole, unwritten, *log, lanes, counts = await self.store.step(
            "probe",
            [
                keys.PROBE,
                *map(keys.lane, LANES),
                keys.LOG,
                keys.LOG_FULL,
                keys.CONSENT,
                keys.ID_KEY,
                keys.CONSENT_LOG,
            ],
            [self.log_limit_bytes, FULL_FOR_SECONDS, keys.DAY_PREFIX],
        )
        records, size, limit, is_full = log
        seen = tuple(
            self._lane(name, lane, int(now_ms)) for name, lane in zip(LANES, lanes, strict=True)
        )
        return Probe(
            bool(whole), unwritten, records, size, limit, bool(is_full), seen, _refused(counts)
        )

    def _lane(self, name: str, lane: Sequence[Any], now_ms: int) -> LaneProbe:
        conversation, due_ms, due, waiting = lane
        late = max(now_ms - float(due_ms), 0) / 1000 if due else 0.0
        # Whoever takes it moves its due time.
        head, now = f"{conversation} {due_ms}", time.monotonic()
        if self._heads.get(name, ("", 0.0))[0] != head:
            self._heads[name] = (head, now)
        return LaneProbe(name, waiting, due, late, min(now - self._heads[name][1], late))


def _refused(counts: Sequence[str]) -> dict[str, int]:
    """How often what was refused since midnight, UTC."""
    told = zip(counts[::2], counts[1::2], strict=True)
    return {name.partition(":")[2]: int(n) for name, n in told if name.startswith("refused:")}
