"""One turn: all waiting texts of a customer go to Rasa, and the commit ends it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import async_timeout
import structlog
from rasa.core.channels.channel import UserMessage
from rasa.shared.core.training_data.story_reader.yaml_story_reader import YAMLStoryReader
from rasa.shared.nlu.constants import TEXT
from rasa.shared.nlu.training_data.message import Message

from connectors.assistant import Assistant
from connectors.assistants import Assistants, LiveAssistants
from connectors.errors import LeaseLost, NothingToSay, SessionOver, Stopped, StoreUnavailable
from connectors.inbox import WaitingText
from connectors.lanes import Claim
from connectors.layout import LaidOut, Style, lay_out, prepared
from connectors.left_open import NOTHING, LeftOpen, is_more
from connectors.part import Part
from connectors.reply import Refused, SmsReply
from connectors.sensitive import without_secrets
from connectors.window import Window

log = structlog.get_logger(__name__)

CHANNEL = "twilio_sms"
PICTURE = "[picture]"  # stands in the conversation for a message without words

# A failed turn is tried again this long after the text came; then a plain sentence must do.
ANSWER_WITHIN_SECONDS = 20.0
LONGEST_WAIT_SECONDS = 5.0
# After a long outage every text is old, and what failed at once may work in a moment.
QUICK_SECONDS = 5.0
QUICK_TRIES = 4
# What a turn needs beside the model, whose deadline is the assistant's.
MARGIN_SECONDS = 10.0
# A turn that ended this often without even failing takes the process down with it.
MOST_TRIES = 10

current_turn: ContextVar[Turn | None] = ContextVar("current_turn", default=None)


@dataclass
class Turn:
    """What one claim of the inbox becomes. The session store commits it."""

    claim: Claim
    texts: tuple[WaitingText, ...]
    assistant: Assistant
    late: tuple[WaitingText, ...] = ()  # of sessions that ended meanwhile; not answered
    reply: SmsReply = field(default_factory=SmsReply)
    window: Window | None = None  # of its session; read when it began
    left_open: LeftOpen = NOTHING  # by the answer before this one
    tells_more: bool = False  # the answer is the rest of that one
    committed: bool = False
    # Actions that Rasa ran and that failed: it goes on as if they had said nothing.
    failed_actions: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, claim: Claim, assistants: Assistants) -> Turn:
        waiting = sorted((WaitingText.read(item) for item in claim.items), key=_came)
        session = waiting[-1].session
        assistant = assistants.standing_in_for(waiting[-1].text.business)
        return cls(
            claim,
            texts=tuple(text for text in waiting if text.session == session),
            assistant=assistant,
            late=tuple(text for text in waiting if text.session != session),
            reply=SmsReply(style(assistant)),
        )

    @property
    def conversation(self) -> str:
        return self.claim.conversation

    @property
    def session(self) -> str:
        """The one that the texts came in."""
        return self.texts[-1].session

    def take_window(self) -> Window | None:
        """Once: whoever reads again wants to know what has changed."""
        window, self.window = self.window, None
        return window

    @property
    def age_seconds(self) -> float:
        return time.time() - self.texts[0].accepted_ms / 1000

    @cached_property
    def words(self) -> str:
        """The texts, a line for each; what one text gives away only together with the next goes.

        Fifty long texts take so long to look through that it is done once.
        """
        lines = (t.text.body.strip() for t in self.texts)
        return without_secrets("\n".join(line for line in lines if line))

    def laid_out(self) -> LaidOut:
        """The reply as messages, and what did not fit."""
        return lay_out(self.reply.texts, self.reply.style)

    def say_only(self, sentence: str) -> None:
        """Whatever was to be said gives way to one sentence."""
        self.reply.texts[:] = [prepared(sentence, self.reply.style)]
        self.reply.choices.clear()

    def parts(self) -> list[Part]:
        """The reply, ready for the outbox."""
        last, now = self.texts[-1], time.time()
        business, customer = last.text.business, last.text.customer
        return [
            Part.new(self.conversation, last.session, business, customer, body, now)
            for body in self.laid_out().messages
        ]

    def leaves_open(self) -> LeftOpen:
        """What the next text may refer to."""
        rest = self.laid_out().rest
        if self.tells_more:
            return LeftOpen(rest, self.left_open.choices, told_all=not rest)
        if self.asks_for_more():
            return self.left_open  # an apology went instead: it may be asked for again
        return LeftOpen(rest, tuple(self.reply.choices))

    def asks_for_more(self) -> bool:
        """Is it the word for the rest of the last answer, of which there is some, or just was?"""
        open_still = self.left_open.rest or self.left_open.told_all
        return bool(open_still) and is_more(self.words, self.reply.style.more)

    def message(self) -> UserMessage:
        """The texts as one message to Rasa, and each with its own MessageSid.

        The number of a choice that was offered is the choice.
        """
        words, parse_data = _understood(self.words, self.left_open)
        return UserMessage(
            text=words,
            output_channel=self.reply,
            sender_id=self.conversation,
            parse_data=parse_data,
            input_channel=CHANNEL,
            message_id=self.texts[0].text.sid,
            metadata={
                "assistant": self.assistant.id,
                "texts": [
                    {"sid": t.text.sid, "body": t.text.body, "media": t.text.media}
                    for t in self.texts
                ],
            },
        )


def _came(waiting: WaitingText) -> int:
    """When the text came, for its place among others. One that was found at Twilio may stand behind
    what came later; Twilio tells whole seconds, which stand for their end."""
    at = waiting.accepted_ms
    return at + 999 if at % 1000 == 0 else at


def _understood(words: str, left_open: LeftOpen) -> tuple[str, dict[str, Any] | None]:
    """What Rasa shall read, and understand by it without asking its pipeline; None asks it.

    Rasa takes "/restart" and the like for commands, whoever writes them; a customer's text is a
    text. A message without words has an intent of its own, so that a rule can answer it.
    """
    if not words:
        return PICTURE, _intent(PICTURE, "send_media")
    if choice := left_open.chosen(words):
        if not choice.payload.startswith("/"):
            return choice.payload, None
        # Written by the business, so this may be a command.
        command = YAMLStoryReader.unpack_regex_message(Message({TEXT: choice.payload}))
        return choice.title, {**command.as_dict_nlu(), "text": choice.title}
    if words.startswith("/"):
        return words, _intent(words, "nlu_fallback")
    return words, None


def _intent(words: str, name: str) -> dict[str, Any]:
    return {"text": words, "intent": {"name": name, "confidence": 1.0}, "entities": []}


def style(assistant: Assistant) -> Style:
    texts = assistant.texts
    return Style(assistant.segments, assistant.emoji, texts.more, texts.no_more)


class TurnRunner:
    """Handles claims of the inbox.

    `to_rasa` runs a message through the agent and returns after the tracker was saved, within the
    assistant's deadline and a margin; `apologise` commits a plain sentence without Rasa, and
    `tell_more` the rest of the last answer; `window` reads a conversation's session. `refused` is
    told of a conversation for which somebody kept the channel of a turn that is over.
    """

    def __init__(
        self,
        to_rasa: Callable[[UserMessage], Awaitable[None]],
        apologise: Callable[[Turn, str], Awaitable[None]],
        tell_more: Callable[[Turn], Awaitable[None]],
        window: Callable[[str], Awaitable[Window]],
        assistants: LiveAssistants,
        refused: Refused | None = None,
    ) -> None:
        self.to_rasa = to_rasa
        self.apologise = apologise
        self.tell_more = tell_more
        self.window = window
        self.assistants = assistants
        self.refused = refused

    async def handle(self, claim: Claim) -> None:
        """Answer what waits. Raises whatever failed when it is to be tried again."""
        turn = Turn.of(claim, self.assistants.now)
        try:
            await self._handle(turn)
        except SessionOver as over:
            await self._let_go(turn, over)

    async def _handle(self, turn: Turn) -> None:
        claim = turn.claim
        if claim.tries > MOST_TRIES:
            await self._give_up(turn, f"{claim.tries - 1} tries never came to an end")
            return
        began, longest = time.monotonic(), turn.assistant.deadline_seconds + MARGIN_SECONDS
        try:
            with _current(turn, self.refused):
                async with async_timeout.timeout(longest):
                    await self._answer(turn)
            if not turn.committed:
                raise NothingToSay("Rasa ended the turn without saving it")
        except (StoreUnavailable, LeaseLost, SessionOver):
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

    async def _answer(self, turn: Turn) -> None:
        turn.window = await self.window(turn.conversation)
        turn.left_open = LeftOpen.read(turn.window.left_open)
        if turn.asks_for_more():
            await self.tell_more(turn)
        else:
            await self.to_rasa(turn.message())

    async def _let_go(self, turn: Turn, over: SessionOver) -> None:
        """After so long an outage, or STOP, nobody is texted; a commit takes the texts out."""
        if not turn.committed:
            try:
                await self.apologise(turn, str(over))
            except SessionOver as told:
                over = told
        stopped = isinstance(over, Stopped)
        tell, event = (log.info, "turn.stopped") if stopped else (log.error, "turn.too_late")
        tell(event, conversation=turn.conversation, reason=str(over))

    async def _give_up(self, turn: Turn, reason: str) -> None:
        log.error("turn.gave_up", conversation=turn.conversation, reason=reason)
        await self.apologise(turn, reason)


def _worth_another_try(turn: Turn, took_seconds: float) -> bool:
    if turn.age_seconds < ANSWER_WITHIN_SECONDS:
        return True
    return took_seconds < QUICK_SECONDS and turn.claim.tries < QUICK_TRIES


@contextmanager
def _current(turn: Turn, refused: Refused | None) -> Iterator[None]:
    token = current_turn.set(turn)
    try:
        yield
    finally:
        turn.reply.close(refused)
        current_turn.reset(token)
