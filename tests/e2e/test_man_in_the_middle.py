"""A link fails and comes back: nothing acknowledged is lost, doubled or out of order.

The faults that production has met, shortly; `python -m tests.e2e.man_in_the_middle` does them all.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e import faults
from tests.e2e.deployment import Deployment
from tests.e2e.man_in_the_middle import Bed
from tests.e2e.outage import Fault, Load, Outage
from tests.postgresql import Postgresql

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

LOAD = Load(texts=30, customers=15, outage_seconds=3.0, after_seconds=1.5)
AGAIN_SECONDS = 10.0
NAMES = (
    "redis: accept and close",
    "redis: accept and silence",
    "redis: cut in answer",
    "redis: one way, requests",
    "redis: full",
    "sql: accept and silence",
    "rasa-twilio: one way, requests",
    "rasa-actions: accept and close",
)
CHOSEN = [each for each in (*faults.IN_REDIS, *faults.LINKS) if each.name in NAMES]


@pytest.fixture(scope="module")
def business(
    trained: None, postgresql: Postgresql, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("man-in-the-middle")
    with Bed().opened(folder, postgresql, seed) as business:
        yield business


@pytest.mark.parametrize("fault", CHOSEN, ids=lambda fault: fault.name)
def test_an_outage_of_a_link_loses_and_doubles_nothing(
    business: Deployment, seed: int, fault: Fault
) -> None:
    outcome = Outage(business, fault, LOAD, seed + CHOSEN.index(fault)).run()
    assert outcome.clean, f"seed {seed}: {outcome}"
    assert len(outcome.acknowledged) == outcome.texts == LOAD.texts
    assert outcome.again_seconds is not None, outcome
    assert outcome.again_seconds < AGAIN_SECONDS, outcome


def test_every_name_is_that_of_a_fault() -> None:
    assert len(CHOSEN) == len(NAMES)
