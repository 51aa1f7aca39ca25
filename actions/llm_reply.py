"""`action_llm_reply`: the model's answer, or a plain sentence when there is none."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import structlog
from rasa_sdk import Action, Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions.conversation import conversation, fitted
from actions.guard import guarded
from actions.model import Answer, ModelClient, NoAnswer
from actions.wording import for_customer
from connectors.assistant import Assistant
from connectors.assistants import LiveAssistants
from connectors.settings import Settings

log = structlog.get_logger(__name__)

# With a second endpoint, the first one may use so much of the deadline.
FIRST_SHARE = 0.6
# In characters. What exceeds the assistant's segments waits for MORE; nobody reads more than this.
LONGEST_REPLY = 1_600


@dataclass(frozen=True)
class Reply:
    """What the customer gets, and what the session log shall know about it."""

    text: str
    metadata: dict[str, Any] = field(default_factory=dict)


class ActionLlmReply(Action):
    """Answers with the model; always says something."""

    def __init__(
        self, writer: ReplyWriter | None = None, assistants: LiveAssistants | None = None
    ) -> None:
        self._writer = writer
        self._assistants = assistants

    def name(self) -> str:
        return "action_llm_reply"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[dict[str, Any]]:
        if self._writer is None:  # its connections belong to the loop that runs by now
            self._writer = ReplyWriter(Settings.load())
        if self._assistants is None:
            self._assistants = LiveAssistants()
        assistant = self._assistants.now.named(_assistant_id(tracker))
        reply = await self._writer.reply_to(tracker.events, assistant)
        # Extra keys become the metadata of the bot's event in the tracker.
        dispatcher.utter_message(text=reply.text, **reply.metadata)
        return []


class ReplyWriter:
    """Makes a reply out of a session's events, as an assistant words it."""

    def __init__(self, settings: Settings) -> None:
        self.first = ModelClient(settings.model)
        self.second = ModelClient(settings.fallback_model) if settings.fallback_model else None

    async def reply_to(self, events: Iterable[Any], assistant: Assistant) -> Reply:
        """Never raises, whatever the events and the models are like."""
        started = time.monotonic()
        try:
            reply = await self._answer(events, assistant, started)
        except NoAnswer as failure:
            reply = self._apology(assistant, failure.reason)
        except Exception:
            # Formatted here: the structured log would print local variables, and thus texts.
            log.error(
                "reply.failed", trace=traceback.format_exc(), then="the customer gets regrets"
            )
            reply = self._apology(assistant, "error")
        reply.metadata["latency_ms"] = round((time.monotonic() - started) * 1000)
        log.info("reply.written", **reply.metadata)
        return reply

    async def close(self) -> None:
        await self.first.close()
        if self.second:
            await self.second.close()

    async def _answer(self, events: Iterable[Any], assistant: Assistant, started: float) -> Reply:
        events = list(events)
        deadline = assistant.deadline_seconds
        if self.second is None:
            return await self._ask(self.first, events, assistant, deadline, "answered")
        try:
            return await self._ask(
                self.first, events, assistant, deadline * FIRST_SHARE, "answered"
            )
        except NoAnswer:
            left = deadline - (time.monotonic() - started)
            return await self._ask(self.second, events, assistant, left, "fallback_model")

    async def _ask(
        self,
        client: ModelClient,
        events: list[Any],
        assistant: Assistant,
        seconds: float,
        outcome: str,
    ) -> Reply:
        try:
            messages = fitted(conversation(events), assistant.history_tokens)
            if not messages:
                raise NoAnswer("no_text", "the session has no text of the customer to answer")
            parameters: dict[str, Any] = {"max_tokens": assistant.model.max_tokens}
            if assistant.model.temperature is not None:
                parameters["temperature"] = assistant.model.temperature
            now = datetime.now(timezone.utc)
            prompt = assistant.prompt_at(now)
            answer = await client.ask(prompt, messages, seconds=seconds, **parameters)
            reply = self._checked(answer, assistant, outcome)
            return _guarded(
                reply, assistant, now, [{"role": "system", "content": prompt}, *messages]
            )
        except NoAnswer as failure:
            log.warning(
                "model.no_answer",
                reason=failure.reason,
                endpoint=client.address,
                model=client.model.name,
                advice=failure.advice,
            )
            raise

    def _checked(self, answer: Answer, assistant: Assistant, outcome: str) -> Reply:
        text = for_customer(answer.text, whole=answer.whole, longest=LONGEST_REPLY)
        if not text:
            raise NoAnswer("empty", "nothing that can be shown was left of what the model said")
        metadata = {
            "outcome": outcome,
            "model": answer.model,
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
        }
        return Reply(text, {name: value for name, value in metadata.items() if value is not None})

    def _apology(self, assistant: Assistant, reason: str) -> Reply:
        return Reply(assistant.texts.apology, {"outcome": "apology", "reason": reason})


def _guarded(
    reply: Reply, assistant: Assistant, now: datetime, read: Sequence[Mapping[str, Any]]
) -> Reply:
    found = guarded(reply.text, assistant, now, read)
    if not found.kept_back:
        return reply
    log.warning(
        "reply.guarded",
        assistant=assistant.id,
        kept_back=found.kept_back,
        advice="what customers may be told word for word belongs in `facts`, links too",
    )
    return Reply(found.text, {**reply.metadata, "kept_back": list(found.kept_back)})


def _assistant_id(tracker: Tracker) -> str | None:
    """What the SMS channel noted beside the text; `rasa shell` and REST note nothing."""
    metadata = (tracker.latest_message or {}).get("metadata")
    return metadata.get("assistant") if isinstance(metadata, dict) else None
