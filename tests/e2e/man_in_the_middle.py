"""`python -m tests.e2e.man_in_the_middle`: every fault on every link, a row for each in a table.

ONLY=... chooses the faults whose names contain one of these words, with commas between them; SEED=
repeats the luck of another run. Ends with 1 when one row is not clean.
"""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from connectors.settings import ROOT
from tests.e2e import faults
from tests.e2e.deployment import Deployment, deployment
from tests.e2e.outage import Fault, Load, Outage
from tests.e2e.outcome import HEADER, Outcome
from tests.e2e.replication import data_nodes
from tests.postgresql import Postgresql

AFTER_A_FAILOVER_SECONDS = 15.0


@dataclass(frozen=True)
class Bed:
    """What the data nodes are like; `lag_of` is the replica that lags."""

    replicas: int = 0
    sentinels: int = 0
    lag_of: int | None = None
    options: dict[str, str] = field(default_factory=dict)
    is_used_up: bool = True  # after one fault the roles have changed

    @contextmanager
    def opened(self, folder: Path, postgresql: Postgresql, seed: int) -> Iterator[Deployment]:
        with ExitStack() as stack:
            data = stack.enter_context(data_nodes(folder, self.replicas, self.sentinels))
            business = stack.enter_context(deployment(folder, data, postgresql, seed))
            for node in data.nodes:
                for name, value in self.options.items():
                    node.ask("CONFIG", "SET", name, value)
            if self.lag_of is not None:
                faults.let_it_lag(business, self.lag_of)
            yield business


SAFE = {"min-replicas-to-write": "1", "min-replicas-max-lag": "3"}
ROWS: tuple[tuple[Bed, Sequence[Fault]], ...] = (
    (Bed(is_used_up=False), [*faults.IN_REDIS, *faults.LINKS]),
    (Bed(replicas=1), faults.WITH_A_REPLICA),
    (Bed(replicas=1, lag_of=0), [faults.LAGGING]),
    (Bed(replicas=2, lag_of=1, options=SAFE), [faults.WITH_A_CURRENT_ONE]),
    (Bed(replicas=2, sentinels=3, options=SAFE), faults.WITH_SENTINELS),
)


def rows(
    only: Sequence[str], seed: int, folder: Path, load: Load, progress: Callable[[str], object]
) -> Iterator[Outcome]:
    """The outcome of each fault that is wanted; a bed that is not clean is made anew."""
    luck = random.Random(seed)
    postgresql = Postgresql()
    postgresql.start()
    try:
        for bed, kinds in ROWS:
            wanted = [each for each in kinds if _is_wanted(each.name, only)]
            yield from _in_bed(bed, wanted, postgresql, folder, load, luck, progress)
    finally:
        postgresql.stop()


def _is_wanted(name: str, only: Sequence[str]) -> bool:
    return not only or any(word in name for word in only)


def _in_bed(
    bed: Bed,
    wanted: Sequence[Fault],
    postgresql: Postgresql,
    folder: Path,
    load: Load,
    luck: random.Random,
    progress: Callable[[str], object],
) -> Iterator[Outcome]:
    left = list(wanted)
    while left:
        place = Path(tempfile.mkdtemp(prefix="bed-", dir=folder))
        progress(f"a new deployment, its logs are in {place}")
        with bed.opened(place, postgresql, luck.randrange(10**6)) as business:
            is_good = True
            while left and is_good:
                fault = left.pop(0)
                outage = Outage(
                    business, fault, load, luck.randrange(10**6), _named(fault, progress)
                )
                outage.settle_seconds = AFTER_A_FAILOVER_SECONDS if bed.replicas else 0.0
                outcome = outage.run()
                is_good = outcome.clean and not bed.is_used_up
                yield outcome


def _named(fault: Fault, progress: Callable[[str], object]) -> Callable[[str], object]:
    return lambda words: progress(f"{fault.name}: {words}")


def main() -> int:
    seed = int(os.environ.get("SEED") or random.randrange(1, 10**6))
    only = [word for word in os.environ.get("ONLY", "").split(",") if word]
    subprocess.run([sys.executable, "-m", "local.training"], cwd=ROOT, check=True)
    folder = Path(tempfile.mkdtemp(prefix="man-in-the-middle-"))
    logging.disable(logging.ERROR)  # the fakes are told of every caller that is cut off
    twilio_log = (folder / "twilio.log").open("a")
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(twilio_log))
    began, red = time.monotonic(), 0

    def progress(words: str) -> None:
        print(f"  {time.monotonic() - began:6.1f} s  {words}", file=sys.stderr, flush=True)

    print(f"seed {seed}\n\n{HEADER}", flush=True)
    for outcome in rows(only, seed, folder, Load(), progress):
        red += not outcome.clean
        print(outcome.row(), flush=True)
        if not outcome.clean:
            progress(str(outcome))
    print(f"\nseed {seed}: " + (f"{red} rows not clean" if red else "every row is clean"))
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main())
