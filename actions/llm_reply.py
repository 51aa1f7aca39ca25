"""`action_llm_reply`: the answer of a model and its tools, or a plain sentence without any."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType
from rasa_sdk.executor import CollectingDispatcher

from actions.assistants import turn_of
from actions.conversation import conversation, fitted, tokens_of, with_summary
from actions.fence import RULE
from actions.guard import guarded
from actions.ladder import Climb, Ladder
from actions.memory import Memory
from actions.model import Answer, Message, NoAnswer
from actions.prompt_log import PromptLog, TurnPrompts
from actions.tool import Turn
from actions.toolbox import Toolbox
from actions.wording import for_customer
from connectors.assistants import LiveAssistants
from connectors.settings import Settings
from connectors.store import Store

log = structlog.get_logger(__name__)

# In characters. What exceeds the assistant's segments waits for MORE; nobody reads more than this.
LONGEST_REPLY = 1_600
# So often a model may call tools in one turn; then it has to answer with what it has.
MOST_ROUNDS = 4
# What of an answer's metadata is for the ordinary log: no words, no arguments.
LOGGED = ("outcome", "reason", "model", "prompt_tokens", "completion_tokens", "latency_ms")


@dataclass(frozen=True)
class Reply:
    """What the customer gets, what it does to the conversation, and what the log shall know."""

    text: str
    metadata: dict[str, Any] = field(default_factory=dict)
    events: list[EventType] = field(default_factory=list)


class ActionLlmReply(Action):
    """Answers with the model; always says something, or lets another action say it."""

    def __init__(
        self,
        writer: ReplyWriter | None = None,
        assistants: LiveAssistants | None = None,
        memory: Memory | None = None,
        prompts: PromptLog | None = None,
    ) -> None:
        self._writer = writer
        self._memory = memory
        self._prompts = prompts
        self._assistants = assistants

    def name(self) -> str:
        return "action_llm_reply"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[dict[str, Any]]:
        if self._writer is None:  # its connections belong to the loop that runs by now
            self._writer = ReplyWriter(Settings.load())
        if self._memory is None:
            store = Store.connect(Settings.load().redis_url)
            self._memory, self._prompts = Memory(store), PromptLog(store)
        turn = turn_of(tracker, self._assistants)
        known = await self._memory.of(tracker, turn.assistant)
        record = self._prompts.of(tracker.sender_id, known.session) if self._prompts else None
        reply = await self._writer.reply_to(known.events, turn, known.summary, record)
        if known.nearly_full:
            await self._memory.ask_for_summary(tracker.sender_id)
        if reply.text:
            # Extra keys become the metadata of the bot's event in the tracker.
            dispatcher.utter_message(text=reply.text, **reply.metadata)
        elif reply.events:
            reply.events[-1]["metadata"] = reply.metadata
        return list(reply.events)


class ReplyWriter:
    """Makes a reply out of a session's events, as a turn's assistant words it."""

    def __init__(self, settings: Settings) -> None:
        self.ladder = Ladder(settings)

    async def close(self) -> None:
        await self.ladder.close()

    async def reply_to(
        self,
        events: Iterable[Any],
        turn: Turn,
        summary: str = "",
        prompts: TurnPrompts | None = None,
    ) -> Reply:
        """Never raises, whatever the events, the models and the tools are like.

        `summary` tells what was said before the events; `prompts` puts on record what is sent.
        The metadata says what came of it: outcome, model, tokens and latency in all, each attempt
        of the ladder, each tool that was called, and whatever tools noted.
        """
        began, toolbox = time.monotonic(), Toolbox(turn)
        deadline = began + turn.assistant.deadline_seconds
        climb = self.ladder.climb(turn.assistant, deadline, prompts)
        try:
            text, found = await self._answer(list(events), summary, climb, toolbox)
        except NoAnswer as failure:
            text, found = _apology(turn, failure.reason)
        except Exception:
            # Formatted here: the structured log would print local variables, and thus texts.
            log.error(
                "reply.failed", trace=traceback.format_exc(), then="the customer gets regrets"
            )
            text, found = _apology(turn, "error")
        found |= _of_attempts(climb) | ({"tools": toolbox.calls} if toolbox.calls else {})
        found |= turn.metadata
        found["latency_ms"] = round((time.monotonic() - began) * 1000)
        log.info("reply.written", **{name: found[name] for name in LOGGED if name in found})
        return Reply(text, found, turn.events)

    async def _answer(
        self, events: list[Any], summary: str, climb: Climb, toolbox: Toolbox
    ) -> tuple[str, dict[str, Any]]:
        turn = toolbox.turn
        room = turn.assistant.history_tokens
        if summary:  # never more than half; see summary
            room = max(room - tokens_of(summary), room // 2)
        said = with_summary(summary, fitted(conversation(events), room))
        if not said:
            raise NoAnswer("no_text", "the session has no text of the customer to answer")
        messages: list[Message] = [
            _instructions(turn, fences=bool(toolbox.tools or summary)),
            *said,
        ]
        for rounds_left in range(MOST_ROUNDS, -1, -1):
            schemas = toolbox.schemas if rounds_left else []
            answer = await climb.ask(messages, schemas, read=_worded)
            if not answer.calls:
                return _guarded(answer.text, turn, messages, {"outcome": climb.outcome})
            messages.append(_as_message(answer))
            messages += await toolbox.call(answer.calls, climb.left)
            if turn.said is not None:
                return turn.said, {"outcome": "tool"}
        raise NoAnswer("tools_only", "the model called tools again and again, and said nothing")


def _instructions(turn: Turn, *, fences: bool) -> Message:
    prompt = turn.assistant.prompt_at(turn.now)
    return {"role": "system", "content": f"{prompt}\n{RULE}" if fences else prompt}


def _guarded(
    text: str, turn: Turn, read: Sequence[Message], metadata: dict[str, Any]
) -> tuple[str, dict[str, Any]]:
    found = guarded(text, turn.assistant, turn.now, read)
    if not found.kept_back:
        return text, metadata
    log.warning(
        "reply.guarded",
        assistant=turn.assistant.id,
        kept_back=found.kept_back,
        advice="what customers may be told word for word belongs in `facts`, links too",
    )
    return found.text, {**metadata, "kept_back": list(found.kept_back)}


def _worded(answer: Answer) -> Answer:
    """What is for the customer, in words for them. Raises NoAnswer if nothing is left."""
    if answer.calls:
        return answer
    text = for_customer(answer.text, whole=answer.whole, longest=LONGEST_REPLY)
    if not text:
        raise NoAnswer("empty", "nothing that can be shown was left of what the model said")
    return replace(answer, text=text)


def _as_message(answer: Answer) -> Message:
    """The model's own turn, as it wants to read it again with the results."""
    calls = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for call in answer.calls
    ]
    return {"role": "assistant", "content": answer.text, "tool_calls": calls}


def _of_attempts(climb: Climb) -> dict[str, Any]:
    """Every attempt, and the sums, for those who only want to know what it cost."""
    found: dict[str, Any] = {"attempts": [attempt.as_dict() for attempt in climb.attempts]}
    answered = [attempt for attempt in climb.attempts if attempt.outcome == "answered"]
    if answered:
        found["model"] = answered[-1].model
    for name in ("prompt_tokens", "completion_tokens"):
        counts = [getattr(attempt, name) for attempt in answered]
        if any(count is not None for count in counts):
            found[name] = sum(count or 0 for count in counts)
    return found


def _apology(turn: Turn, reason: str) -> tuple[str, dict[str, Any]]:
    return turn.assistant.texts.apology, {"outcome": "apology", "reason": reason}
