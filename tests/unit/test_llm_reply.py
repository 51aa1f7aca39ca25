"""A customer texts; a scripted model answers, late, wrongly or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher
from structlog.testing import capture_logs

from actions.assistants import turn_at
from actions.llm_reply import ActionLlmReply, Reply, ReplyWriter
from actions.tool import Turn
from connectors.assistant import Assistant, ModelSettings, Texts
from connectors.assistants import LiveAssistants
from connectors.settings import ROOT, Settings
from local.ports import free_port
from tests.fakes.model import NAME, Fails, FakeModel, Hangs, Says, Sends, Step
from tests.unit.events import action, bot, user

SORRY = "Sorry, not now."


ASSISTANT = Assistant(
    id="test", name="Test", prompt="You are a shop.", texts=Texts(apology=SORRY), deadline_seconds=5
)


SECRET = "my secret is 4711"  # what a customer writes belongs in no log


class Customer:
    """Texts an assistant and keeps the session as Rasa does."""

    def __init__(self, writer: ReplyWriter) -> None:
        self.writer = writer
        self.events: list[dict[str, Any]] = []

    async def texts(self, text: str) -> Reply:
        self.events += [action("action_listen"), user(text)]
        reply = await self.writer.reply_to(self.events, turn(ASSISTANT))
        self.events += [action("action_llm_reply"), bot(reply.text, metadata=reply.metadata)]
        return reply


def turn(assistant: Assistant) -> Turn:
    return turn_at(datetime.now(timezone.utc), assistant, {}, "")


def settings(url: str, fallback: str = "") -> Settings:
    return Settings.load(
        {
            "LLM_BASE_URL": url,
            "LLM_API_KEY": "key-1",
            "LLM_MODEL": "model-1",
            "LLM_FALLBACK_BASE_URL": fallback,
            "LLM_FALLBACK_MODEL": "model-2",
        }
    )


@pytest.fixture
async def model() -> AsyncIterator[FakeModel]:
    async with FakeModel() as model:
        yield model


@pytest.fixture
async def customer(model: FakeModel) -> AsyncIterator[Customer]:
    writer = ReplyWriter(settings(model.base_url))
    yield Customer(writer)
    await writer.close()


async def test_the_customer_gets_what_the_model_says(customer: Customer, model: FakeModel) -> None:
    model.answers("  Yes, we do.\n")
    assert (await customer.texts("Do you repair bikes?")).text == "Yes, we do."
    assert model.requests[0]["model"] == "model-1"
    assert model.keys == ["key-1"]


async def test_the_model_knows_the_conversation(customer: Customer, model: FakeModel) -> None:
    model.answers("Hi Ada!", "You are Ada.")
    await customer.texts("I'm Ada")
    await customer.texts("Who am I?")
    assert model.last_messages == [
        {"role": "system", "content": "You are a shop."},
        {"role": "user", "content": "I'm Ada"},
        {"role": "assistant", "content": "Hi Ada!"},
        {"role": "user", "content": "Who am I?"},
    ]


async def test_the_log_of_the_session_gets_what_it_cost(
    customer: Customer, model: FakeModel
) -> None:
    metadata = (await customer.texts("Hello")).metadata
    assert metadata.pop("latency_ms") >= 0
    [attempt] = metadata.pop("attempts")
    assert attempt.pop("ms") >= 0
    tokens = {"prompt_tokens": 12, "completion_tokens": 7}
    assert attempt == {"rung": "model", "model": NAME, "outcome": "answered", **tokens}
    assert metadata == {
        "outcome": "answered",
        "model": NAME,
        **tokens,
    }


async def test_a_server_that_counts_no_tokens_is_fine(customer: Customer, model: FakeModel) -> None:
    model.script = [Says("Hello!", usage=None)]
    reply = await customer.texts("Hello")
    assert reply.text == "Hello!"
    assert "prompt_tokens" not in reply.metadata


async def test_rasa_gets_the_reply_and_its_metadata(customer: Customer, model: FakeModel) -> None:
    model.answers("Hello!")
    dispatcher, events = CollectingDispatcher(), [user("Hi")]
    tracker = Tracker("id", {}, {}, events, False, None, {}, "action_listen")
    assert (
        await ActionLlmReply(customer.writer, LiveAssistants()).run(dispatcher, tracker, {}) == []
    )
    [message] = dispatcher.messages
    assert message["text"] == "Hello!"
    assert message["outcome"] == "answered"


RUBBISH = "<html>busy</html>"


FAILURES = {
    "hangs": (Hangs(), "timeout", "deadline_seconds"),
    "bad key": (Fails(401, "invalid_api_key"), "key_refused", "LLM_API_KEY"),
    "no such model": (Fails(404, "model_not_found"), "not_found", "'model-1'"),
    "too long": (Fails(400, "context_length_exceeded"), "refused", "history_tokens"),
    "too many": (Fails(429), "rate_limited", "too many requests"),
    "broken": (Fails(500), "server_error", "its own log"),
    "a page": (Sends(RUBBISH, "text/html"), "malformed", "LLM_BASE_URL"),
    "half a JSON": (Sends('{"choices": ['), "malformed", "LLM_BASE_URL"),
    "other JSON": (Sends('{"hello": 1}'), "malformed", "LLM_BASE_URL"),
    "a list": (Sends("[1, 2]"), "malformed", "LLM_BASE_URL"),
    "null": (Sends("null"), "malformed", "LLM_BASE_URL"),
    "no choices": (Sends('{"choices": []}'), "malformed", "LLM_BASE_URL"),
    "a number": (Sends('{"choices": [{"message": {"content": 5}}]}'), "malformed", "LLM_BASE_URL"),
    "nothing": (Says(None), "empty", "chat model"),
    "blanks": (Says(" \n "), "empty", "chat model"),
    "only thoughts": (Says("<think>hm", "length"), "empty", "nothing that can be shown"),
    "spent": (Says("", "length"), "empty", "max_tokens"),
    "filtered": (Says(None, "content_filter"), "empty", "content filter"),
}


@pytest.mark.parametrize(("step", "reason", "advice"), FAILURES.values(), ids=FAILURES)
async def test_no_failure_is_silence(
    model: FakeModel, step: Step, reason: str, advice: str
) -> None:
    model.script = [step]
    hurried = replace(ASSISTANT, deadline_seconds=1.5)
    writer = ReplyWriter(settings(model.base_url))
    with capture_logs() as logs:
        reply = await writer.reply_to([user(SECRET)], turn(hurried))
    await writer.close()
    assert reply.text == SORRY
    assert reply.metadata["outcome"] == "apology"
    assert reply.metadata["reason"] == reason
    [line] = [line for line in logs if line["event"] == "model.no_answer"]
    assert line["reason"] == reason
    assert advice in line["advice"]
    assert line["endpoint"] in model.base_url
    assert "4711" not in str(logs)


async def test_nobody_listens(customer: Customer) -> None:
    writer = ReplyWriter(settings(f"http://127.0.0.1:{free_port()}/v1"))
    with capture_logs() as logs:
        reply = await writer.reply_to([user("Hello")], turn(ASSISTANT))
    await writer.close()
    assert (reply.text, reply.metadata["reason"]) == (SORRY, "unreachable")
    assert "is the model server running?" in logs[0]["advice"]


async def test_the_deadline_holds_for_the_whole_turn(model: FakeModel) -> None:
    """Also with retries, and a second model that hangs too."""
    model.script = [Hangs()]
    hurried = replace(ASSISTANT, deadline_seconds=1)
    writer = ReplyWriter(settings(model.base_url, fallback=model.base_url))
    started = time.monotonic()
    reply = await writer.reply_to([user("Hello")], turn(hurried))
    await writer.close()
    assert reply.text == SORRY
    assert 0.9 < time.monotonic() - started < 8  # two models, and twice their own patience
    assert {request["model"] for request in model.requests} == {"model-1", "model-2"}


async def test_a_hiccup_is_not_noticed(customer: Customer, model: FakeModel) -> None:
    model.script = [Fails(503), Says("Hello!")]
    assert (await customer.texts("Hello")).text == "Hello!"


async def test_the_second_model_answers_when_the_first_cannot(model: FakeModel) -> None:
    model.script = [Fails(401)]
    async with FakeModel(script=[Says("Hello from the second.")]) as second:
        writer = ReplyWriter(settings(model.base_url, fallback=second.base_url))
        reply = await writer.reply_to([user("Hello")], turn(ASSISTANT))
        await writer.close()
    assert reply.text == "Hello from the second."
    assert reply.metadata["outcome"] == "fallback_model"
    assert second.requests[0]["messages"] == model.requests[0]["messages"]


async def test_the_model_does_not_read_our_regrets(customer: Customer, model: FakeModel) -> None:
    model.script = [Fails(401)]
    await customer.texts("Do you repair bikes?")
    model.answers("Yes.")
    await customer.texts("Hello?")
    assert model.last_messages[1:] == [
        {"role": "user", "content": "Do you repair bikes?\nHello?"},
    ]


async def test_odd_events_are_no_failure_of_the_model(customer: Customer, model: FakeModel) -> None:
    reply = await customer.writer.reply_to(
        [None, 7, {}, {"event": "user"}, bot("Hi", data=3)], turn(ASSISTANT)
    )
    assert (reply.text, reply.metadata["reason"]) == (SORRY, "no_text")
    assert model.requests == []


async def test_a_mistake_of_ours_is_no_silence_either(customer: Customer, model: FakeModel) -> None:
    class Broken:
        def __iter__(self) -> Any:
            raise RuntimeError("we made a mistake")

    with capture_logs() as logs:
        reply = await customer.writer.reply_to(Broken(), turn(ASSISTANT))
    assert (reply.text, reply.metadata["reason"]) == (SORRY, "error")
    assert "we made a mistake" in logs[0]["trace"]


async def test_a_model_that_knows_other_parameters_is_asked_again(model: FakeModel) -> None:
    """The newest models refuse max_tokens and any temperature."""
    model.script = [
        Fails(400, "unsupported_parameter", "max_tokens"),
        Fails(400, "unsupported_value", "temperature"),
        Says("Hello!"),
    ]
    warm = replace(ASSISTANT, model=ModelSettings(temperature=0.5, max_tokens=50))
    writer = ReplyWriter(settings(model.base_url))
    assert (await writer.reply_to([user("Hello")], turn(warm))).text == "Hello!"
    assert (await writer.reply_to([user("Hello again")], turn(warm))).text == "Hello!"
    await writer.close()
    assert len(model.requests) == 4  # it learned that once
    assert model.requests[-1]["max_completion_tokens"] == 50
    assert not {"max_tokens", "temperature"} & set(model.requests[-1])


def test_the_action_server_does_not_start_half_alive() -> None:
    """One message that names every bad setting, no trace, and not exit code 0."""
    command = [sys.executable, "-m", "rasa_sdk", "--actions", "actions"]
    environ = {**os.environ, "RASA_PORT": "abc", "LLM_BASE_URL": "nowhere"}
    ended = subprocess.run(
        command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=50, check=False
    )
    assert ended.returncode == 1
    assert "RASA_PORT is 'abc'" in ended.stderr
    assert "LLM_BASE_URL must be an address" in ended.stderr
    assert "Traceback" not in ended.stderr
