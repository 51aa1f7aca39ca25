"""The log stream has a limit: no new texts before anything is lost, and STOP all the same."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from connectors import keys
from connectors.errors import StoreUnavailable
from connectors.inbox import Outcome
from connectors.log_limit import LogLimit
from connectors.probe import Prober
from tests.integration.office import Office, text

pytestmark = pytest.mark.integration

LIMIT_BYTES = 100_000


async def fill(office: Office, size: int) -> None:
    for _ in range(size // 10_000):
        await office.store.client.xadd(keys.LOG, {"kind": "filler", "data": "x" * 10_000})


async def test_a_full_log_takes_stop_and_nothing_new(office: Office) -> None:
    await office.inbox.accept(text(1, "before"))
    await fill(office, 2 * LIMIT_BYTES)
    assert (await Prober(office.store, LIMIT_BYTES).probe()).log_is_full
    with pytest.raises(StoreUnavailable, match="SESSION_LOG_BACKLOG_MB"):
        await office.inbox.accept(text(2, "hello"))
    assert await office.inbox.accept(text(1, "before")) is Outcome.SEEN_BEFORE
    office.worker.start()
    assert await office.answers(1) == ["You said: before"]  # what was accepted is answered
    assert await office.inbox.accept(text(3, "STOP")) is Outcome.KEYWORD


async def test_it_opens_again_only_well_below_the_limit(office: Office) -> None:
    await fill(office, 2 * LIMIT_BYTES)
    size = (await Prober(office.store).probe()).log_bytes
    assert (await Prober(office.store, size).probe()).log_is_full
    assert (await Prober(office.store, int(size * 1.05)).probe()).log_is_full
    assert not (await Prober(office.store, int(size * 1.2)).probe()).log_is_full
    assert not (await Prober(office.store, int(size * 1.05)).probe()).log_is_full
    assert await office.inbox.accept(text(1, "hello")) is Outcome.WAITS


async def test_the_log_says_it_once_when_it_begins_and_once_when_it_ends(office: Office) -> None:
    await fill(office, 2 * LIMIT_BYTES)
    full = await Prober(office.store, LIMIT_BYTES).probe()
    await office.store.client.delete(keys.LOG)
    well = await Prober(office.store, LIMIT_BYTES).probe()
    limit = LogLimit(Prober(office.store))
    with capture_logs() as logs:
        for probe in (full, full, well, well):
            limit.tell(probe)
    assert [entry["event"] for entry in logs] == [
        "session_log.full",
        "session_log.half_full",
        "session_log.not_full",
    ]
