"""A model that is busy, dead or slow: who is answered, by whom, and what is on record."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from actions.endpoint import FAILURES_IN_A_ROW, Breaker, Endpoint
from actions.ladder import Ladder
from actions.model import Answer, NoAnswer, Question
from connectors.assistant import Assistant, ModelSettings
from connectors.settings import Model, Settings
from tests.fakes.model import Fails, FakeModel, Hangs, Says

HELLO = [{"role": "user", "content": "Hello"}]
SHOP = Assistant(id="shop", name="Shop", prompt="Hi.")


@pytest.fixture
async def model() -> AsyncIterator[FakeModel]:
    async with FakeModel() as model:
        yield model


def endpoint_of(model: FakeModel, at_once: int) -> Endpoint:
    return Endpoint(Model(model.base_url, "none", "default"), at_once)


def ladder_of(model: FakeModel, fallback: str = "") -> Ladder:
    given = {"LLM_BASE_URL": model.base_url, "LLM_FALLBACK_BASE_URL": fallback}
    return Ladder(Settings.load(given))


def anything(answer: Answer) -> Answer:
    """Every answer will do."""
    return answer


async def climb(ladder: Ladder, assistant: Assistant = SHOP) -> list[tuple[str, str]]:
    """The attempts of one question: rung and outcome."""
    way = ladder.climb(assistant, time.monotonic() + 5)
    with suppress(NoAnswer):
        await way.ask(HELLO, read=anything)
    return [(attempt.rung, attempt.outcome) for attempt in way.attempts]


async def test_a_busy_model_queues(model: FakeModel) -> None:
    model.script = [Says("OK.", seconds=0.05)]
    endpoint = endpoint_of(model, at_once=2)
    answers = await asyncio.gather(*(endpoint.ask(Question(HELLO), seconds=20) for _ in range(12)))
    await endpoint.close()
    assert [answer.text for answer in answers] == ["OK."] * 12
    assert model.busiest <= 2


async def test_an_overload_does_not_fail_everyone(model: FakeModel) -> None:
    """Who cannot be served in time is told at once, and takes nobody else's time."""
    model.script = [Says("OK.", seconds=0.4)]
    endpoint = endpoint_of(model, at_once=1)
    await endpoint.ask(Question(HELLO), seconds=20)  # now it is known how long one takes
    results = await asyncio.gather(
        *(endpoint.ask(Question(HELLO), seconds=2) for _ in range(20)), return_exceptions=True
    )
    await endpoint.close()
    answered = [result for result in results if isinstance(result, Answer)]
    refused = [result for result in results if isinstance(result, NoAnswer)]
    assert len(answered) >= 2  # it would be 0 if all waited until nobody had time left
    assert [failure.reason for failure in refused].count("overloaded") >= 12
    assert len(answered) + len(refused) == 20


async def test_a_dead_model_is_left_alone_for_a_while(model: FakeModel) -> None:
    model.script = [Fails(401)]
    async with FakeModel() as second:
        ladder = ladder_of(model, second.base_url)
        ways = [await climb(ladder) for _ in range(FAILURES_IN_A_ROW + 1)]
        assert ways[0] == [("model", "key_refused"), ("fallback", "answered")]
        assert ways[-1] == [("model", "skipped"), ("fallback", "answered")]
        asked = len(model.requests)
        ladder.first.breaker = Breaker(alone_seconds=0)  # the while is over
        model.script = [Says("Back.")]
        assert await climb(ladder) == [("model", "answered")]
        assert len(model.requests) == asked + 1
        await ladder.close()


async def test_without_another_one_it_is_asked_all_the_same(model: FakeModel) -> None:
    model.script = [*[Fails(401)] * (FAILURES_IN_A_ROW + 2), Says("Back.")]
    ladder = ladder_of(model)
    ways = [await climb(ladder) for _ in range(FAILURES_IN_A_ROW + 3)]
    await ladder.close()
    assert ways[-1] == [("model", "answered")]


def test_one_may_try_after_the_pause() -> None:
    breaker = Breaker(alone_seconds=60)
    for _ in range(FAILURES_IN_A_ROW):
        assert breaker.lets_pass()
        breaker.failed("timeout")
    assert not breaker.lets_pass()
    breaker._until = time.monotonic()
    assert [breaker.lets_pass() for _ in range(3)] == [True, False, False]
    breaker.answered()
    assert breaker.lets_pass()


def test_what_is_wrong_with_one_request_says_nothing_about_the_model() -> None:
    breaker = Breaker()
    for _ in range(FAILURES_IN_A_ROW + 1):
        breaker.failed("refused")
    assert breaker.lets_pass()


async def test_the_fallback_may_be_another_model_of_the_same_endpoint(model: FakeModel) -> None:
    model.script = [Fails(401), Says("OK.")]
    ladder = ladder_of(model)
    assistant = Assistant(
        id="a",
        name="A",
        prompt="Hi.",
        model=ModelSettings("big", max_tokens=500),
        fallback_model=ModelSettings("small", max_tokens=9),
    )
    assert await climb(ladder, assistant) == [("model", "key_refused"), ("fallback", "answered")]
    await ladder.close()
    asked = [(request["model"], request["max_tokens"]) for request in model.requests]
    assert asked == [("big", 500), ("small", 9)]


async def test_the_first_leaves_time_for_the_second(model: FakeModel) -> None:
    model.script = [Hangs()]
    async with FakeModel() as second:
        ladder = ladder_of(model, second.base_url)
        way = ladder.climb(SHOP, time.monotonic() + 1.5)
        answer = await way.ask(HELLO, read=anything)
        await ladder.close()
    assert answer.text == "OK."
    first, last = way.attempts
    assert (first.outcome, last.outcome) == ("timeout", "answered")
    assert first.ms < 1500


async def test_extra_settings_are_sent_along(model: FakeModel) -> None:
    endpoint = endpoint_of(model, at_once=1)
    await endpoint.ask(Question(HELLO, ModelSettings(extra={"top_p": 0.9})), seconds=5)
    await endpoint.close()
    assert model.requests[0]["top_p"] == 0.9
