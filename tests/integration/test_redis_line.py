"""One connection to Redis on which steps travel side by side, through what a connection suffers."""

from __future__ import annotations

import asyncio
import time

import async_timeout
import pytest
from redis.exceptions import RedisError, ResponseError

from connectors.errors import StoreUnavailable
from connectors.redis_line import Line
from connectors.store import Store
from tests.valkey import Valkey

pytestmark = pytest.mark.integration


def line_of(store: Store, answer_seconds: float = 30) -> Line:
    return Line(store.client.connection_pool, 5, answer_seconds)


async def count(store: Store) -> int:
    """How often something was counted today, after one more time: a step."""
    return int((await store.step("count", ["day:"], ["n", 1, 60]))[1])


async def test_everybody_gets_their_own_answer(store: Store) -> None:
    line = line_of(store)
    asked = [line.ask(["ECHO", str(n)] if n % 3 else ["NONSENSE"]) for n in range(100)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    for n, answer in enumerate(answers):
        assert answer == str(n) if n % 3 else isinstance(answer, ResponseError)
    assert len(set(await asyncio.gather(*(number(line) for _ in range(3))))) == 1
    await line.close()


async def number(line: Line) -> int:
    """Redis' own number for the connection."""
    return int(await line.ask(["CLIENT", "ID"]))


async def cut(store: Store, number: int) -> None:
    """Redis closes the connection, and our end hears of it."""
    await store.client.client_kill_filter(_id=str(number))
    async with async_timeout.timeout(10):
        while True:
            await asyncio.sleep(0.01)
            if number not in [int(client["id"]) for client in await store.client.client_list()]:
                break
    await asyncio.sleep(0.01)


async def test_who_gives_up_takes_nobody_elses_answer(store: Store) -> None:
    line = line_of(store)
    asked = [asyncio.ensure_future(line.ask(["ECHO", str(n)])) for n in range(10)]
    await asyncio.sleep(0)
    for given_up in asked[::2]:
        given_up.cancel()
    assert await asyncio.gather(*asked[1::2]) == ["1", "3", "5", "7", "9"]
    await line.close()


async def test_a_line_that_was_cut_is_laid_anew(store: Store) -> None:
    line = line_of(store)
    numbers = []
    for _ in range(3):
        numbers.append(await number(line))
        await cut(store, numbers[-1])
    assert len(set(numbers)) == 3
    await line.close()


async def test_whoever_waits_on_a_line_that_is_cut_hears_of_it(store: Store) -> None:
    line = line_of(store)
    own = await number(line)
    waits = [asyncio.ensure_future(line.ask(["BLPOP", "nothing", "0"])) for _ in range(3)]
    await asyncio.sleep(0)
    await cut(store, own)
    async with async_timeout.timeout(10):
        heard = await asyncio.gather(*waits, return_exceptions=True)
    assert all(isinstance(each, (RedisError, OSError)) for each in heard), heard
    await line.close()


async def test_an_overdue_answer_cuts_the_line(store: Store) -> None:
    line = line_of(store, answer_seconds=0.2)
    assert await line.ask(["ECHO", "before"]) == "before"
    with pytest.raises(asyncio.TimeoutError):
        await line.ask(["BLPOP", "nothing", "0"])
    assert await line.ask(["ECHO", "after"]) == "after"
    await line.close()


async def test_an_answer_that_came_while_this_process_stood_still_counts(store: Store) -> None:
    line = line_of(store, answer_seconds=0.1)
    assert await line.ask(["ECHO", "before"]) == "before"
    asked = asyncio.ensure_future(line.ask(["ECHO", "meanwhile"]))
    await asyncio.sleep(0)
    time.sleep(0.3)  # noqa: ASYNC251 (what it is about)
    assert await asked == "meanwhile"
    await line.close()


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
