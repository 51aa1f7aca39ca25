"""Summaries: the oldest part of a session that does not fit any more, in a few sentences.

Made beside the turns, under a lease like everything else, from the last summary and the lines that
go into it now: once for each line, and never again. The lines go in the same step that stores the
summary, so a crash only means that somebody else makes it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import structlog
from sanic import Sanic

from actions.assistants import live_assistants
from actions.conversation import BYTES_PER_TOKEN, conversation
from actions.fence import RULE, fenced
from actions.ladder import Climb, Ladder
from actions.model import Answer, Message, NoAnswer
from actions.prompt_log import PromptLog
from actions.wording import for_customer
from connectors import keys
from connectors.assistant import Assistant
from connectors.lanes import Claim, Lane, held
from connectors.session_life import session_keys
from connectors.settings import Settings
from connectors.store import Store, unavailable_is_named
from connectors.transcript import event_of
from connectors.worker import Worker

log = structlog.get_logger(__name__)

# Nobody waits for it; one at a time leaves the model to the customers.
SECONDS = 60.0
AT_ONCE = 1
# So much of what fits is folded in at once.
SHARE = 0.5
_LINES = 200

PROMPT = (
    "You keep notes for an assistant that answers text messages. You get the notes so far and what"
    " was said after them. Write the new notes: who the customer is, what they want, every name,"
    " number, date and choice, what was promised, what is open. Leave out greetings and what has"
    " been settled by something later. Plain sentences, no headings, as few words as it takes."
)


class Summarizer:
    """Handles claims of the lane of summaries. `named` finds an assistant by its id."""

    def __init__(
        self, store: Store, settings: Settings, named: Callable[[str | None], Assistant]
    ) -> None:
        self.store = store
        self.named = named
        self.lane = Lane(store, keys.SUMMARIES, batch=1)
        self.ladder = Ladder(settings)
        self.prompts = PromptLog(store)

    async def handle(self, claim: Claim) -> None:
        """Fold the oldest lines in; if the model has no answer, leave it to the next turn."""
        session = claim.items[0]
        with unavailable_is_named():
            found = await self.store.client.hmget(
                keys.session(claim.conversation), "id", "assistant", "summary"
            )
        if found[0] != session:
            await self._fold(claim, session, [])
            return
        assistant = self.named(found[1])
        lines = await self._oldest(claim.conversation, assistant)
        fresh = any(line.startswith("x") for line in lines)
        prompts = self.prompts.of(claim.conversation, session)
        climb = self.ladder.climb(_brief(assistant), time.monotonic() + SECONDS, prompts)
        try:
            summary = await _written(climb, assistant, "" if fresh else found[2] or "", lines)
        except NoAnswer as failure:
            log.warning("summary.failed", conversation=claim.conversation, reason=failure.reason)
            await self._fold(claim, session, [])
            return
        attempts = [attempt.as_dict() for attempt in climb.attempts]
        record = {"text": summary, "lines": len(lines), "attempts": attempts}
        await self._fold(claim, session, lines, summary, record)
        log.info("summary.written", conversation=claim.conversation, lines=len(lines))

    async def close(self) -> None:
        await self.ladder.close()

    async def _oldest(self, conversation: str, assistant: Assistant) -> list[str]:
        """Whole turns, as many as make half of what fits."""
        room = assistant.history_tokens * BYTES_PER_TOKEN * SHARE
        lines: list[str] = []
        while room > 0:
            with unavailable_is_named():
                more = await self.store.client.lrange(
                    keys.said(conversation), len(lines), len(lines) + _LINES - 1
                )
            if not more:
                break
            for line in more:
                if room > 0:
                    lines.append(line)
                room -= len(line.encode())
        begins = [index for index, line in enumerate(lines) if line.startswith("u")]
        return lines[: begins[-1]] if len(begins) > 1 else lines

    async def _fold(
        self,
        claim: Claim,
        session: str,
        lines: Sequence[str],
        summary: str = "",
        record: dict[str, Any] | None = None,
    ) -> None:
        lane, conversation = self.lane, claim.conversation
        answer = await self.store.step(
            "fold",
            [
                *session_keys(conversation),
                lane.items(conversation),
                lane.due,
                lane.leases,
                lane.tries,
            ],
            [
                conversation,
                claim.fence,
                session,
                len(lines),
                lines[0] if lines else "",
                summary,
                json.dumps(record) if record else "",
            ],
        )
        held(answer)


def keep(app: Sanic, settings: Settings) -> None:
    """Make summaries for as long as a server runs."""

    @app.after_server_start
    async def start(app: Sanic, loop: Any) -> None:
        store = Store.connect(settings.redis_url)
        # Files may change, so they are looked at each time.
        summarizer = Summarizer(store, settings, lambda name: live_assistants().now.named(name))
        worker = Worker(summarizer.lane, summarizer.handle, AT_ONCE)
        worker.start()
        app.ctx.summaries = summarizer, worker

    @app.before_server_stop
    async def stop(app: Sanic, loop: Any) -> None:
        summarizer, worker = app.ctx.summaries
        await worker.stop()
        await summarizer.close()
        await summarizer.store.close()


async def _written(climb: Climb, assistant: Assistant, before: str, lines: Sequence[str]) -> str:
    """Raises NoAnswer."""
    said = conversation([event_of(line) for line in lines], whole=True)
    if not said or not assistant.summary_tokens:
        return before
    speakers = {"user": "Customer", "assistant": "Assistant"}
    dialogue = "\n".join(f"{speakers[each['role']]}: {each['content']}" for each in said)
    notes = [fenced(before, "the notes so far")] if before else []
    asked = "\n".join([*notes, fenced(dialogue, "what was said after them"), "The new notes:"])
    messages: list[Message] = [
        {"role": "system", "content": f"{PROMPT}\n{RULE}"},
        {"role": "user", "content": asked},
    ]
    return await climb.ask(messages, read=lambda answer: _notes(answer, assistant))


def _notes(answer: Answer, assistant: Assistant) -> str:
    """Raises NoAnswer."""
    most = min(assistant.summary_tokens, assistant.history_tokens // 2)
    notes = for_customer(answer.text, whole=answer.whole, longest=most * BYTES_PER_TOKEN)
    if not notes:
        raise NoAnswer("empty", "nothing was left of the summary that the model wrote")
    return notes


def _brief(assistant: Assistant) -> Assistant:
    """The assistant with models that may write no more than a summary."""

    def brief(model: Any) -> Any:
        return model and replace(model, max_tokens=max(assistant.summary_tokens, 1))

    return replace(
        assistant, model=brief(assistant.model), fallback_model=brief(assistant.fallback_model)
    )
