"""The big run: many texts, each delivered three times at once, and processes that keep dying."""

from __future__ import annotations

import time

from tests.e2e.blows import Meanwhile, kill_a_process
from tests.e2e.chaos import Storm
from tests.e2e.verdict import Verdict
from tests.pretend_business import BUSINESS

COPIES = 3
KILL_EVERY_SECONDS = 5.0


def big_run(storm: Storm, texts: int, customers: int) -> Verdict:
    """`texts` from `customers`, everybody's next one after everybody's last one was taken."""
    storm.trouble = f"{texts} texts of {customers}, three times each, a kill every 5 s"
    storm.begin({})
    began = time.monotonic()
    sent = []
    with Meanwhile(storm, kill_a_process, (KILL_EVERY_SECONDS, KILL_EVERY_SECONDS)) as meanwhile:
        for wave in range(texts // customers):
            sent += storm.send(
                [
                    {"from": storm.customer(n), "to": BUSINESS, "body": f"text {wave} of {n}"}
                    for n in range(customers)
                ],
                COPIES,
            )
        storm.nothing_waits()
    took = time.monotonic() - began
    storm.settled()
    verdict = storm.verdict(sent)
    verdict.done.update(meanwhile.done, **{"seconds": round(took)})
    return verdict
