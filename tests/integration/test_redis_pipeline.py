"""One connection to Redis on which commands travel together, through what a connection suffers."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import async_timeout
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio.connection import Connection
from redis.exceptions import RedisError, ResponseError

from connectors.errors import StoreUnavailable
from connectors.redis_pipeline import ABANDONED_AFTER_SECONDS, RedisPipeline, is_not_now
from connectors.store import LIMIT_SECONDS, Store
from local.ports import free_port
from tests.valkey import Valkey

pytestmark = pytest.mark.integration


def pipeline_to(port: int, limit_seconds: float = 5.0) -> RedisPipeline:
    return RedisPipeline(
        lambda: Connection(
            host="127.0.0.1", port=port, decode_responses=True, socket_connect_timeout=1
        ),
        limit_seconds,
    )


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


@pytest.fixture
async def pipeline(valkey_url: str) -> AsyncIterator[RedisPipeline]:
    pipeline = pipeline_to(port_of(valkey_url))
    yield pipeline
    await pipeline.close()


async def count(store: Store) -> int:
    """How often something was counted today, after one more time: a step."""
    return int((await store.step("count", ["day:"], ["n", 1, 60]))[1])


async def test_everybody_gets_their_own_answer(pipeline: RedisPipeline) -> None:
    asked = [pipeline.ask(["ECHO", str(n)] if n % 3 else ["NONSENSE"]) for n in range(100)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    for n, answer in enumerate(answers):
        assert answer == str(n) if n % 3 else isinstance(answer, ResponseError)
    assert len({await number(pipeline) for _ in range(3)}) == 1, "one connection is enough"


async def number(pipeline: RedisPipeline) -> int:
    """Redis' own number for the connection."""
    return int(await pipeline.ask(["CLIENT", "ID"]))


async def test_commands_are_done_in_the_order_that_they_were_asked(
    pipeline: RedisPipeline, store: Store
) -> None:
    asked = []
    for n in range(300):
        asked.append(asyncio.ensure_future(pipeline.ask(["RPUSH", "order", str(n)])))
        if n % 7 == 0:
            await asyncio.sleep(0)
    await asyncio.gather(*asked)
    assert await store.client.lrange("order", 0, -1) == [str(n) for n in range(300)]


async def cut(store: Store, number: int) -> None:
    """Redis closes the connection, and our end can hear of it."""
    await store.client.client_kill_filter(_id=str(number))
    async with async_timeout.timeout(10):
        while number in [int(client["id"]) for client in await store.client.client_list()]:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.01)


async def test_who_gives_up_takes_nobody_elses_answer(pipeline: RedisPipeline) -> None:
    asked = [asyncio.ensure_future(pipeline.ask(["ECHO", str(n)])) for n in range(10)]
    await asyncio.sleep(0)
    for given_up in asked[::2]:
        given_up.cancel()
    assert await asyncio.gather(*asked[1::2]) == ["1", "3", "5", "7", "9"]


async def test_a_connection_that_was_cut_while_idle_is_noticed_before_it_is_used(
    pipeline: RedisPipeline, store: Store
) -> None:
    numbers = []
    for _ in range(3):
        numbers.append(await number(pipeline))
        await cut(store, numbers[-1])
    assert len(set(numbers)) == 3


async def test_whoever_waits_on_a_connection_that_is_cut_hears_of_it(
    pipeline: RedisPipeline, store: Store
) -> None:
    own = await number(pipeline)
    waits = [asyncio.ensure_future(pipeline.ask(["BLPOP", "nothing", "0"])) for _ in range(3)]
    await asyncio.sleep(0.01)
    await cut(store, own)
    async with async_timeout.timeout(10):
        heard = await asyncio.gather(*waits, return_exceptions=True)
    assert all(isinstance(each, (RedisError, OSError)) for each in heard), heard


async def test_an_overdue_answer_costs_the_connection(valkey_url: str) -> None:
    pipeline = pipeline_to(port_of(valkey_url), limit_seconds=0.2)
    assert await pipeline.ask(["ECHO", "before"]) == "before"
    with pytest.raises(RedisError, match="no answer"):
        await pipeline.ask(["BLPOP", "nothing", "0"])
    assert await pipeline.ask(["ECHO", "after"]) == "after"
    await pipeline.close()


async def test_an_answer_that_came_while_this_process_stood_still_counts(valkey_url: str) -> None:
    pipeline = pipeline_to(port_of(valkey_url), limit_seconds=0.1)
    assert await pipeline.ask(["ECHO", "before"]) == "before"
    asked = asyncio.ensure_future(pipeline.ask(["ECHO", "meanwhile"]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    time.sleep(0.3)  # noqa: ASYNC251 (what it is about)
    assert await asked == "meanwhile"
    await pipeline.close()


async def test_a_redis_that_is_frozen_or_away_is_told_of_and_found_again(valkey: Valkey) -> None:
    store = Store.connect(valkey.url)
    assert await count(store) == 1
    for fail, mend in ((valkey.freeze, valkey.thaw), (valkey.stop, valkey.start)):
        fail()
        asked = await asyncio.gather(*(count(store) for _ in range(5)), return_exceptions=True)
        assert all(isinstance(each, StoreUnavailable) for each in asked), asked
        mend()
        assert await count(store) > 1
    await store.close()


async def test_steps_that_redis_has_forgotten_are_told_again(store: Store) -> None:
    assert await count(store) == 1
    await store.client.script_flush()
    assert await asyncio.gather(*(count(store) for _ in range(3))) == [2, 3, 4]


class Stubborn(Connection):
    """A connection that hangs and cannot be cancelled: what nobody has thought of yet."""

    hangs = True

    async def connect(self) -> None:
        end = asyncio.get_running_loop().time() + 60
        while Stubborn.hangs and asyncio.get_running_loop().time() < end:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.05)
        await super().connect()


async def test_whatever_a_connection_does_nobody_waits_longer_than_the_limit(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stubborn, "hangs", True)
    limit, port = 0.2, port_of(valkey_url)
    pipeline = RedisPipeline(
        lambda: Stubborn(host="127.0.0.1", port=port, decode_responses=True), limit
    )
    for _ in range(3):
        began = time.monotonic()
        with pytest.raises(RedisError, match="no answer"):
            await pipeline.ask(["ECHO", "now"])
        assert time.monotonic() - began < limit + 0.3
    await asyncio.sleep(ABANDONED_AFTER_SECONDS)
    with pytest.raises(RedisError, match="no answer"):
        await pipeline.ask(["ECHO", "now"])  # this one finds that the first pipeline hangs
    Stubborn.hangs = False
    assert await pipeline.ask(["ECHO", "then"]) == "then"
    await pipeline.close()


# --- A proxy that accepts and hangs up, as a load balancer does before a Redis that is away. ---


@dataclass
class Proxy:
    """Carries bytes to Redis in pieces; with `cut_after` it closes a connection after so many bytes
    of answers, with `away` as soon as it was accepted, after so many seconds."""

    target: int
    port: int = field(default_factory=free_port)
    away: float | None = None
    cut_after: int | None = None
    piece: int = 1 << 16
    pause: float = 0.0
    half_closes: bool = False
    carried: int = 0

    async def serve_one(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            if self.away is not None:
                await asyncio.sleep(self.away)
                return
            far, forth = await asyncio.open_connection("127.0.0.1", self.target)
            requests = asyncio.ensure_future(self._requests(near, forth))
            try:
                await self._answers(far, back)
            finally:
                requests.cancel()
                forth.close()
        except OSError:
            pass
        finally:
            back.close()

    async def _requests(self, near: asyncio.StreamReader, forth: asyncio.StreamWriter) -> None:
        while data := await near.read(self.piece):
            forth.write(data)
            await forth.drain()

    async def _answers(self, far: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        while data := await far.read(self.piece):
            if self.cut_after is not None and self.carried + len(data) >= self.cut_after:
                back.write(data[: self.cut_after - self.carried])
                self.cut_after, self.carried = None, 0
                if self.half_closes:
                    back.write_eof()
                    await asyncio.sleep(0.05)
                return
            self.carried += len(data)
            back.write(data)
            await back.drain()
            await asyncio.sleep(self.pause)


@asynccontextmanager
async def proxied(proxy: Proxy) -> AsyncIterator[Proxy]:
    server = await asyncio.start_server(proxy.serve_one, "127.0.0.1", proxy.port)
    try:
        yield proxy
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("askers", [1, 4])
@pytest.mark.parametrize("after", [0, 0.0005, 0.001, 0.003])
async def test_a_proxy_that_accepts_and_hangs_up_leaves_nobody_waiting(
    valkey_url: str, askers: int, after: float
) -> None:
    async with proxied(Proxy(port_of(valkey_url))) as proxy:
        store = Store.connect(f"redis://127.0.0.1:{proxy.port}/0")
        assert await count(store) >= 1
        proxy.away = after
        await store.client.client_kill_filter(skipme=False)
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            async with async_timeout.timeout(LIMIT_SECONDS + 0.5):
                asked = (count(store) for _ in range(askers))
                heard = await asyncio.gather(*asked, return_exceptions=True)
            assert all(isinstance(each, (StoreUnavailable, int)) for each in heard), heard
        proxy.away = None
        assert await count(store) > 1, "answered again as soon as Redis is back"
        await store.close()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    cuts=st.lists(st.integers(0, 400), min_size=1, max_size=4),
    piece=st.sampled_from([1, 3, 17, 1 << 16]),
    half_closes=st.booleans(),
    askers=st.integers(1, 6),
    seed=st.integers(0, 10**6),
)
def test_an_answer_is_ones_own_or_an_error_wherever_the_connection_is_cut(
    valkey_url: str, cuts: list[int], piece: int, half_closes: bool, askers: int, seed: int
) -> None:
    """At any byte, split into pieces of any length: nobody hangs, and nobody gets another's."""

    async def scenario() -> None:
        luck = random.Random(seed)
        proxy = Proxy(port_of(valkey_url), piece=piece, half_closes=half_closes)
        async with proxied(proxy):
            pipeline = pipeline_to(proxy.port, limit_seconds=3)

            async def ask(name: str) -> None:
                for n in range(8):
                    words = f"{name}-{n}-" + "x" * luck.randrange(40)
                    try:
                        answer: Any = await pipeline.ask(["ECHO", words])
                    except (RedisError, OSError):
                        continue
                    assert answer == words

            for after in cuts:
                proxy.cut_after, proxy.carried = after, 0
                async with async_timeout.timeout(10):
                    await asyncio.gather(*(ask(f"{after}/{n}") for n in range(askers)))
            proxy.cut_after = None
            assert await pipeline.ask(["ECHO", "at last"]) == "at last"
            await pipeline.close()

    asyncio.run(scenario())


# --- Servers that are none to write to at the moment ---


@pytest.mark.parametrize(
    "message",
    [
        "READONLY You can't write against a read only replica.",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "NOREPLICAS Not enough good replicas to write.",
        "CLUSTERDOWN The cluster is down",
        "ERR Error running script (call to f_12): @user_script:1: -READONLY You can't write",
        "NOREPLICAS Not enough good replicas to write. script: 12, on @user_script:9.",
    ],
)
def test_a_server_that_is_none_to_write_to_now_is_known(message: str) -> None:
    assert is_not_now(ResponseError(message))


@pytest.mark.parametrize(
    "message",
    [
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "NOSCRIPT No matching script.",
        "ERR unknown command 'READONLYLIKE'",
    ],
)
def test_other_refusals_are_not_asked_again(message: str) -> None:
    assert not is_not_now(ResponseError(message))


async def test_after_a_planned_switch_the_name_is_looked_up_again(
    valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The old primary lives on as a replica, and keeps its connections."""
    successor = Valkey(free_port(), tmp_path_factory.mktemp("successor"))
    successor.start()
    async with proxied(Proxy(valkey.port)) as name:
        store = Store.connect(f"redis://127.0.0.1:{name.port}/0")
        assert await count(store) == 1
        old, new = Store.connect(valkey.url), Store.connect(successor.url)
        await replicate(new, valkey.port)
        await new.client.execute_command("REPLICAOF", "NO", "ONE")
        await old.client.execute_command("REPLICAOF", "127.0.0.1", str(successor.port))
        name.target = successor.port
        assert await count(store) == 2, "asked again, where the name leads now"
        assert store.server_changed_ms > 0
        for each in (store, old, new):
            await each.close()
    successor.stop()


async def replicate(replica: Store, port: int) -> None:
    await replica.client.execute_command("REPLICAOF", "127.0.0.1", str(port))
    async with async_timeout.timeout(20):
        while (await replica.client.info("replication"))["master_link_status"] != "up":
            await asyncio.sleep(0.05)
