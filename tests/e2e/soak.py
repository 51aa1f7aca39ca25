"""`make soak`: the big run, the figures, then storm after storm until MINUTES are over.

SEED=... repeats the luck of another run. Ends with 1 when one row of the table is not clean.
"""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import structlog

from connectors.settings import ROOT
from tests.e2e.big_run import big_run
from tests.e2e.blows import STORMS, rage
from tests.e2e.chaos import Storm
from tests.e2e.figures import slow_customers, without_valkey
from tests.e2e.processes import Forked
from tests.e2e.rehearsal import Rehearsal, rehearsal, scripted_model
from tests.e2e.verdict import HEADER, Verdict
from tests.fakes.model import FakeModel, Says


def verdicts(business: Rehearsal, model: FakeModel, seed: int, minutes: float) -> Iterator[Verdict]:
    end = time.monotonic() + minutes * 60
    luck = random.Random(seed)

    def storm(trouble: str = "") -> Storm:
        return Storm(business, trouble, luck.randrange(10**6))

    with storm() as each:
        yield big_run(each, texts=1000, customers=200)
    with storm() as each:
        yield slow_customers(each, model, slow=8, others=40)
    for how in ("killed", "frozen"):
        with storm() as each:
            yield without_valkey(each, how, texts=100)
    while time.monotonic() < end:
        trouble, (odds, blow) = luck.choice(list(STORMS.items()))
        with storm(trouble) as each:
            yield rage(each, odds, blow, rounds=10, blows=luck.randint(3, 8))


def main() -> int:
    seed = int(os.environ.get("SEED") or random.randrange(1, 10**6))
    minutes = float(os.environ.get("MINUTES") or 30)
    subprocess.run([sys.executable, "-m", "local.training"], cwd=ROOT, check=True)
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    print(f"seed {seed}, {minutes:g} minutes; logs and Valkey's file are in {folder}\n\n{HEADER}")
    logging.disable(logging.ERROR)  # the fakes are told of every caller that is killed
    twilio_log = (folder / "twilio.log").open("a")
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(twilio_log))
    red = 0
    with scripted_model() as model:
        model.script = [Says("Answer {n}.", seconds=0.2)]
        with rehearsal(model.base_url, folder, rasas=2, starter=Forked) as business:
            for verdict in verdicts(business, model, seed, minutes):
                red += not verdict.clean
                print(verdict.row(), *verdict.disagreed, flush=True)
    print(f"\nseed {seed}: " + (f"{red} not clean" if red else "nothing lost, nothing doubled"))
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main())
