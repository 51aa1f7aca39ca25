"""Health tells the truth: on a real Valkey that is full, a replica, frozen or gone."""

from __future__ import annotations

import asyncio
import time

import pytest

from connectors import keys
from connectors.health import OVERDUE_SECONDS, judge
from connectors.probe import LaneProbe, Probe, Prober
from connectors.store import Store
from connectors.wire import HEALTH_PATH
from connectors.worker import WorkerHealth
from tests.integration.office import Office, text
from tests.integration.test_door import TEXT, opened
from tests.valkey import Valkey

pytestmark = pytest.mark.integration

LIMIT_SECONDS = 3.0
WELL = WorkerHealth("inbox", 0.0, 0, 3, 64, 1.0, 0.0)


def probed(lane: LaneProbe | None = None, *, known: bool = True, full: bool = False) -> Probe:
    outbox = LaneProbe("outbox", 0, 0, 0.0, 0.0)
    inbox = lane or LaneProbe("inbox", 3, 0, 0.0, 0.0)
    return Probe(known, 0, 7, 900 * 2**20, 1024 * 2**20, full, (inbox, outbox), {})


async def told(store: Store, words: str) -> None:
    await store.client.execute_command(*words.split())


async def test_a_redis_that_takes_no_writes_is_not_well(valkey: Valkey) -> None:
    async with opened(valkey.url) as door:
        assert (await door.post(TEXT)).status_code == 204
        ways = (
            ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "its memory is full"),
            ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "it is a replica"),
            (
                "CONFIG SET min-replicas-to-write 1",
                "CONFIG SET min-replicas-to-write 0",
                "too few replicas",
            ),
        )
        for fail, mend, why in ways:
            await told(door.store, fail)
            await asyncio.sleep(0.6)  # what was found is told for half a second
            answer = await door.http.get(HEALTH_PATH)
            assert answer.status_code == 503, fail
            said = answer.json()
            assert (said["status"], said["redis"]) == ("unavailable", "unavailable")
            assert why in said["why"][0], said
            await told(door.store, mend)
            await asyncio.sleep(0.6)
            assert (await door.http.get(HEALTH_PATH)).status_code == 200, mend


async def test_a_silent_redis_is_told_in_time_and_names_no_host(valkey: Valkey) -> None:
    async with opened(valkey.url) as door:
        for fail, mend in ((valkey.freeze, valkey.thaw), (valkey.stop, valkey.start)):
            fail()
            began = time.monotonic()
            answer = await door.http.get(HEALTH_PATH)
            assert time.monotonic() - began < LIMIT_SECONDS
            assert answer.status_code == 503
            assert "does not answer" in answer.json()["why"][0]
            assert str(valkey.port) not in answer.text
            mend()


async def test_the_old_fields_stay_and_new_ones_tell_what_waits(office: Office) -> None:
    await office.inbox.accept(text(1, "hello"))
    await office.inbox.lane.claim()  # held, so not due
    await office.inbox.accept(text(2, "hello", customer="+15550107777"))
    url = office.store.client.connection_pool.connection_kwargs
    async with opened(f"redis://{url['host']}:{url['port']}/0") as door:
        said = (await door.http.get(HEALTH_PATH)).json()
    assert {
        "status", "redis", "answering", "numbers", "opt_outs_known", "opt_outs_not_in_sql",
        "refused_today",
    } <= set(said)  # fmt: skip
    assert (said["status"], said["why"], said["workers"]) == ("ok", [], [])
    assert (said["inbox"]["waiting"], said["inbox"]["due"]) == (2, 1)
    assert said["session_log"]["records"] == 4
    assert said["session_log"]["bytes"] > 0


async def test_many_who_ask_at_once_are_one_question(store: Store) -> None:
    prober = Prober(store)
    before = await commands(store)
    began = time.perf_counter()
    await asyncio.gather(*(prober.probe() for _ in range(100)))
    print(f"100 probes at once: {(time.perf_counter() - began) * 1000:.1f} ms")
    assert await commands(store) - before == 1


async def test_what_is_told_is_never_older_than_the_question(store: Store) -> None:
    """Whoever waits until no opt-out is missing in SQL must not be told how it was before it."""
    prober = Prober(store)
    assert (await prober.probe()).opt_outs_not_in_sql == 0
    under_way = asyncio.create_task(prober.probe())
    await asyncio.sleep(0)
    await store.client.xadd(keys.CONSENT_LOG, {"entry": "1-0", "data": "{}"})
    assert (await prober.probe()).opt_outs_not_in_sql == 1
    await under_way


async def commands(store: Store) -> int:
    """How often the probe's step was run."""
    stats = await store.client.info("commandstats")
    return int(stats.get("cmdstat_evalsha", {}).get("calls", 0)) - int(
        stats.get("cmdstat_evalsha", {}).get("failed_calls", 0)
    )


async def test_who_is_first_in_line_and_not_taken_is_noticed(office: Office) -> None:
    prober = Prober(office.store)
    await office.inbox.accept(text(1, "hello"))
    await prober.probe()
    await asyncio.sleep(0.7)  # nobody takes it meanwhile
    [lane, _] = (await prober.probe()).lanes
    assert lane.unmoved_seconds > 0.5
    await office.inbox.lane.claim()
    await asyncio.sleep(0.6)
    [lane, _] = (await prober.probe()).lanes
    assert (lane.due, lane.oldest_due_seconds, lane.unmoved_seconds) == (0, 0, 0)


class TestVerdict:
    def test_all_is_well(self) -> None:
        assert (judge(probed(), [WELL]).status, judge(probed(), [WELL]).http_status) == ("ok", 200)

    def test_nobody_takes_what_is_due(self) -> None:
        lane = LaneProbe("inbox", 3, 3, 60.0, OVERDUE_SECONDS + 1)
        verdict = judge(probed(lane), [WELL])
        assert verdict.http_status == 503
        assert "no worker takes it" in verdict.why[0]

    def test_too_much_to_do_is_late_and_no_more(self) -> None:
        """Whoever sends texts elsewhere then makes it worse."""
        busy = WorkerHealth("inbox", 0.0, 0, 64, 64, 5.0, 1.0)
        for lane, worker in (
            (LaneProbe("inbox", 900, 800, 60.0, 60.0), busy),
            (LaneProbe("inbox", 900, 800, 60.0, 0.1), WELL),  # just taking them, one by one
        ):
            verdict = judge(probed(lane), [worker])
            assert (verdict.status, verdict.http_status) == ("late", 200)
            assert "60 s" in verdict.why[0]

    @pytest.mark.parametrize(
        ("worker", "says"),
        [
            (WorkerHealth("inbox", 12.0, 1, 0, 64, 0.0, 0.0), "asked for no text"),
            (WorkerHealth("outbox", 12.0, 1, 0, 64, 0.0, 0.0), "asked for no reply"),
            (WorkerHealth("inbox", 0.0, 0, 64, 64, 400.0, 400.0), "none became free"),
        ],
    )
    def test_a_worker_that_gets_nowhere(self, worker: WorkerHealth, says: str) -> None:
        verdict = judge(probed(), [worker])
        assert (verdict.status, verdict.http_status) == ("unavailable", 503)
        assert says in verdict.why[0]

    def test_nothing_is_sent_while_nobody_knows_who_is_out(self) -> None:
        assert "opted out" in judge(probed(known=False), [WELL]).why[0]
        assert not judge(probed(known=False), []).why  # a door by itself sends nothing anyway

    def test_a_full_log(self) -> None:
        verdict = judge(probed(full=True), [WELL])
        assert verdict.http_status == 503
        assert "SESSION_LOG_BACKLOG_MB" in verdict.why[0]
