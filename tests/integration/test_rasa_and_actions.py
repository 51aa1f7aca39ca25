"""Rasa's own processor, the trained model and our actions in one process: forms and pauses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rasa.core.agent import Agent, load_agent
from rasa.core.channels.channel import CollectingOutputChannel, UserMessage
from rasa.utils.endpoints import EndpointConfig
from rasa_sdk.executor import ActionExecutor

from actions.handing_over import ActionHandOver
from actions.llm_reply import ActionLlmReply, ReplyWriter
from actions.memory import Known
from connectors.assistants import LiveAssistants
from connectors.settings import ROOT, Settings
from local.training import newest_model
from tests.fakes.model import Calls, FakeModel, Says

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

PROMPT = "name: Shop\nprompt: Hi.\ntools: [request_callback, hand_over]\n"


class AllOfIt:
    """A memory that knows what the tracker knows."""

    async def of(self, tracker: Any, assistant: Any) -> Known:
        return Known(events=tracker.events)


class Here(EndpointConfig):
    """The action server without a server."""

    def __init__(self, executor: ActionExecutor) -> None:
        super().__init__("http://127.0.0.1:1/webhook")
        self.executor = executor

    async def request(self, *args: Any, json: Any = None, **kwargs: Any) -> Any:
        return await self.executor.run(json)


@dataclass
class Customer:
    agent: Agent
    heard: list[str] = field(default_factory=list)

    async def texts(self, text: str) -> list[str]:
        channel = CollectingOutputChannel()
        await self.agent.handle_message(UserMessage(text, channel, "ada"))
        return [message["text"] for message in channel.messages]


@pytest.fixture
async def model() -> AsyncIterator[FakeModel]:
    async with FakeModel() as model:
        yield model


@pytest.fixture
async def customer(trained: None, model: FakeModel, tmp_path: Path) -> AsyncIterator[Customer]:
    (tmp_path / "shop.yml").write_text(PROMPT)
    assistants = LiveAssistants(tmp_path)
    writer = ReplyWriter(Settings.load({"LLM_BASE_URL": model.base_url}))
    executor = ActionExecutor()
    executor.register_action(ActionLlmReply(writer, assistants, AllOfIt()))  # type: ignore[arg-type]
    executor.register_action(ActionHandOver())
    agent = await load_agent(model_path=str(newest_model(ROOT)))
    assert agent.processor
    agent.action_endpoint = agent.processor.action_endpoint = Here(executor)
    yield Customer(agent)
    await writer.close()


async def test_a_tool_starts_a_form_and_the_model_goes_on_after_it(
    customer: Customer, model: FakeModel
) -> None:
    model.script = [Calls.one("request_callback"), Says("You're welcome.")]
    assert await customer.texts("please call me") == ["What shall we call you about?"]
    assert await customer.texts("my brakes") == ["When can we reach you?"]
    noted = "Noted: my brakes, after five. We will call this number."
    assert await customer.texts("after five") == [noted]
    assert await customer.texts("thanks") == ["You're welcome."]
    assert len(model.requests) == 2


async def test_what_the_tool_knows_is_not_asked_again(customer: Customer, model: FakeModel) -> None:
    model.script = [Calls.one("request_callback", topic="brakes"), Says("OK.")]
    assert await customer.texts("call me about my brakes") == ["When can we reach you?"]


async def test_the_model_hands_over_and_is_quiet(customer: Customer, model: FakeModel) -> None:
    model.script = [Calls.one("hand_over", reason="refund"), Says("OK.")]
    assert len(await customer.texts("I want my money back")) == 1
    assert await customer.texts("hello?") == []
    assert len(model.requests) == 1
