"""One turn: all waiting texts of a customer go to Rasa, and the commit ends it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import async_timeout
import structlog
from rasa.core.channels.channel import UserMessage

from connectors.errors import LeaseLost, NothingToSay, StoreUnavailable
from connectors.inbox import WaitingText
from connectors.lanes import Claim
from connectors.part import Part
from connectors.reply import SmsReply
from connectors.segments import split

log = structlog.get_logger(__name__)

CHANNEL = "twilio_sms"
PICTURE = "[picture]"  # stands in the conversation for a message without words

# A failed turn is tried again this long after the text came; then a plain sentence must do.
ANSWER_WITHIN_SECONDS = 20.0
LONGEST_WAIT_SECONDS = 5.0
# After a long outage every text is old, and what failed at once may work in a moment.
QUICK_SECONDS = 5.0
QUICK_TRIES = 4
# A turn that ended this often without even failing takes the process down with it.
MOST_TRIES = 10

current_turn: ContextVar[Turn | None] = ContextVar("current_turn", default=None)


@dataclass
class Turn:
    """What one claim of the inbox becomes. The session store commits it."""

    claim: Claim
    texts: tuple[WaitingText, ...]
    reply: SmsReply = field(default_factory=SmsReply)
    committed: bool = False
    # Actions that Rasa ran and that failed: it goes on as if they had said nothing.
    failed_actions: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, claim: Claim) -> Turn:
        return cls(claim, tuple(WaitingText.read(item) for item in claim.items))

    @property
    def conversation(self) -> str:
        return self.claim.conversation

    @property
    def age_seconds(self) -> float:
        return time.time() - self.texts[0].accepted_ms / 1000

    def parts(self) -> list[Part]:
        """The reply, ready for the outbox."""
        last, now = self.texts[-1], time.time()
        business, customer = last.text.business, last.text.customer
        return [
            Part.new(self.conversation, last.session, business, customer, body, now)
            for said in self.reply.texts
            for body in split(said)
        ]

    def message(self) -> UserMessage:
        """The texts as one message to Rasa: a line for each, and each with its own MessageSid."""
        words = "\n".join(t.text.body.strip() for t in self.texts if t.text.body.strip())
        return UserMessage(
            text=words or PICTURE,
            output_channel=self.reply,
            sender_id=self.conversation,
            parse_data=_parse_data(words),
            input_channel=CHANNEL,
            message_id=self.texts[0].text.sid,
            metadata={
                "texts": [
                    {"sid": t.text.sid, "body": t.text.body, "media": t.text.media}
                    for t in self.texts
                ]
            },
        )


def _parse_data(words: str) -> dict[str, Any] | None:
    """What Rasa shall understand without asking its pipeline; None leaves it to the pipeline.

    Rasa takes "/restart" and the like for commands, whoever writes them; a customer's text is a
    text. A message without words has an intent of its own, so that a rule can answer it.
    """
    if not words:
        return {
            "text": PICTURE,
            "intent": {"name": "send_media", "confidence": 1.0},
            "entities": [],
        }
    if words.startswith("/"):
        return {
            "text": words,
            "intent": {"name": "nlu_fallback", "confidence": 1.0},
            "entities": [],
        }
    return None


class TurnRunner:
    """Handles claims of the inbox.

    `to_rasa` runs a message through the agent and returns after the tracker was saved, in
    `longest_seconds` at most;
    `apologise` commits a plain sentence without Rasa.
    """

    def __init__(
        self,
        to_rasa: Callable[[UserMessage], Awaitable[None]],
        apologise: Callable[[Turn, str], Awaitable[None]],
        longest_seconds: float,
    ) -> None:
        self.to_rasa = to_rasa
        self.apologise = apologise
        self.longest_seconds = longest_seconds

    async def handle(self, claim: Claim) -> None:
        """Answer what waits. Raises whatever failed when it is to be tried again."""
        turn = Turn.of(claim)
        if claim.tries > MOST_TRIES:
            await self._give_up(turn, f"{claim.tries - 1} tries never came to an end")
            return
        began = time.monotonic()
        try:
            with _current(turn):
                async with async_timeout.timeout(self.longest_seconds):
                    await self.to_rasa(turn.message())
            if not turn.committed:
                raise NothingToSay("Rasa ended the turn without saving it")
        except (StoreUnavailable, LeaseLost):
            raise  # nothing is wrong with the turn
        except Exception as error:
            if turn.committed:
                # The customer is answered; whatever came after must not answer again.
                log.error(
                    "turn.failed_after_commit",
                    conversation=turn.conversation,
                    trace=traceback.format_exc(),
                )
                return
            if _worth_another_try(turn, time.monotonic() - began):
                raise
            await self._give_up(turn, str(error) or type(error).__name__)
            return
        log.info(
            "turn.done",
            conversation=turn.conversation,
            texts=len(turn.texts),
            tries=claim.tries,
            seconds=round(turn.age_seconds, 2),
        )

    async def _give_up(self, turn: Turn, reason: str) -> None:
        log.error("turn.gave_up", conversation=turn.conversation, reason=reason)
        await self.apologise(turn, reason)


def _worth_another_try(turn: Turn, took_seconds: float) -> bool:
    if turn.age_seconds < ANSWER_WITHIN_SECONDS:
        return True
    return took_seconds < QUICK_SECONDS and turn.claim.tries < QUICK_TRIES


@contextmanager
def _current(turn: Turn) -> Iterator[None]:
    token = current_turn.set(turn)
    try:
        yield
    finally:
        turn.reply.close()
        current_turn.reset(token)
