"""Another Redis takes over: planned, by Sentinels, or without what the old one said last."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e import faults
from tests.e2e.man_in_the_middle import AFTER_A_FAILOVER_SECONDS, SAFE, Bed
from tests.e2e.outage import Fault, Load, Outage
from tests.postgresql import Postgresql

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

LOAD = Load(texts=30, customers=15, outage_seconds=3.0, after_seconds=1.5)
# Texts from around a failover wait 18 s, see connectors/failover.
AGAIN_SECONDS = 25.0
SWITCH, _ = faults.WITH_A_REPLICA
KILLED, _, _ = faults.WITH_SENTINELS


@pytest.mark.parametrize(
    ("bed", "fault"),
    [
        (Bed(replicas=1), SWITCH),
        (Bed(replicas=2, lag_of=1, options=SAFE), faults.WITH_A_CURRENT_ONE),
        (Bed(replicas=2, sentinels=3, options=SAFE), KILLED),
    ],
    ids=lambda given: given.name if isinstance(given, Fault) else "",
)
def test_a_new_primary_answers_what_the_old_one_acknowledged(
    trained: None, postgresql: Postgresql, tmp_path: Path, seed: int, bed: Bed, fault: Fault
) -> None:
    with bed.opened(tmp_path, postgresql, seed) as business:
        outage = Outage(business, fault, LOAD, seed)
        outage.settle_seconds = AFTER_A_FAILOVER_SECONDS
        outcome = outage.run()
    assert outcome.clean, f"seed {seed}: {outcome}"
    assert outcome.again_seconds is not None, outcome
    assert outcome.again_seconds < AGAIN_SECONDS, outcome
