"""`action_llm_reply`: the model's answer, or a plain sentence when there is none."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import structlog
from rasa_sdk import Action, Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions.conversation import conversation, fitted
from actions.model import Answer, ModelClient, NoAnswer
from actions.wording import for_customer
from connectors.assistant import Assistant
from connectors.settings import Settings

log = structlog.get_logger(__name__)

# With a second endpoint, the first one may use so much of the deadline.
FIRST_SHARE = 0.6


@dataclass(frozen=True)
class Reply:
    """What the customer gets, and what the session log shall know about it."""

    text: str
    metadata: dict[str, Any] = field(default_factory=dict)


class ActionLlmReply(Action):
    """Answers with the model; always says something."""

    def __init__(self, writer: ReplyWriter | None = None) -> None:
        self._writer = writer

    def name(self) -> str:
        return "action_llm_reply"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[dict[str, Any]]:
        if self._writer is None:  # its connections belong to the loop that runs by now
            self._writer = ReplyWriter(Settings.load(), Assistant.load())
        reply = await self._writer.reply_to(tracker.events)
        # Extra keys become the metadata of the bot's event in the tracker.
        dispatcher.utter_message(text=reply.text, **reply.metadata)
        return []


class ReplyWriter:
    """Makes a reply out of a session's events with one assistant and its models."""

    def __init__(self, settings: Settings, assistant: Assistant) -> None:
        self.assistant = assistant
        self.first = ModelClient(settings.model)
        self.second = ModelClient(settings.fallback_model) if settings.fallback_model else None

    async def reply_to(self, events: Iterable[Any]) -> Reply:
        """Never raises, whatever the events and the models are like."""
        started = time.monotonic()
        try:
            reply = await self._answer(events, started)
        except NoAnswer as failure:
            reply = self._apology(failure.reason)
        except Exception:
            # Formatted here: the structured log would print local variables, and thus texts.
            log.error(
                "reply.failed", trace=traceback.format_exc(), then="the customer gets regrets"
            )
            reply = self._apology("error")
        reply.metadata["latency_ms"] = round((time.monotonic() - started) * 1000)
        log.info("reply.written", **reply.metadata)
        return reply

    async def close(self) -> None:
        await self.first.close()
        if self.second:
            await self.second.close()

    async def _answer(self, events: Iterable[Any], started: float) -> Reply:
        events = list(events)
        deadline = self.assistant.deadline_seconds
        if self.second is None:
            return await self._ask(self.first, events, deadline, "answered")
        try:
            return await self._ask(self.first, events, deadline * FIRST_SHARE, "answered")
        except NoAnswer:
            left = deadline - (time.monotonic() - started)
            return await self._ask(self.second, events, left, "fallback_model")

    async def _ask(
        self, client: ModelClient, events: list[Any], seconds: float, outcome: str
    ) -> Reply:
        try:
            messages = fitted(conversation(events), self.assistant.history_tokens)
            if not messages:
                raise NoAnswer("no_text", "the session has no text of the customer to answer")
            parameters: dict[str, Any] = {"max_tokens": self.assistant.max_tokens}
            if self.assistant.temperature is not None:
                parameters["temperature"] = self.assistant.temperature
            answer = await client.ask(
                self.assistant.prompt, messages, seconds=seconds, **parameters
            )
            return self._checked(answer, outcome)
        except NoAnswer as failure:
            log.warning(
                "model.no_answer",
                reason=failure.reason,
                endpoint=client.address,
                model=client.model.name,
                advice=failure.advice,
            )
            raise

    def _checked(self, answer: Answer, outcome: str) -> Reply:
        text = for_customer(answer.text, whole=answer.whole, longest=self.assistant.longest_reply)
        if not text:
            raise NoAnswer("empty", "nothing that can be shown was left of what the model said")
        metadata = {
            "outcome": outcome,
            "model": answer.model,
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
        }
        return Reply(text, {name: value for name, value in metadata.items() if value is not None})

    def _apology(self, reason: str) -> Reply:
        return Reply(self.assistant.apology, {"outcome": "apology", "reason": reason})
