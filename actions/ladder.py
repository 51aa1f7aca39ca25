"""The ladder: the assistant's model, then its fallback, each try on record."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import structlog

from actions.endpoint import Endpoint
from actions.model import Answer, Message, NoAnswer, Question
from actions.openai_api import Sends
from actions.prompt_log import TurnPrompts
from connectors.assistant import Assistant, ModelSettings
from connectors.settings import Model, Settings

log = structlog.get_logger(__name__)
_T = TypeVar("_T")

# With a second rung, the first one may use so much of the time that is left.
FIRST_SHARE = 0.6


@dataclass(frozen=True)
class Attempt:
    """One try of one rung. `outcome` is `answered`, or NoAnswer's word for why not; `prompts` are
    the entries of the session log that say what was sent."""

    rung: str  # "model" or "fallback"
    model: str
    outcome: str
    ms: int
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompts: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if value not in (None, ())}


@dataclass(frozen=True)
class Rung:
    """One model, asked in one way."""

    name: str
    endpoint: Endpoint
    settings: ModelSettings


class Ladder:
    """The endpoints of this process. Made in the loop that uses it."""

    def __init__(self, settings: Settings) -> None:
        self.at_once = settings.llm_calls_at_once
        self.first = self._endpoint(settings.model)
        second = settings.fallback_model
        self.second = self._endpoint(second) if second else None

    def _endpoint(self, model: Model) -> Endpoint:
        return Endpoint(model, self.at_once)

    async def close(self) -> None:
        await self.first.close()
        if self.second:
            await self.second.close()

    def climb(
        self, assistant: Assistant, deadline: float, prompts: TurnPrompts | None = None
    ) -> Climb:
        """What one turn does with the ladder. `deadline` is on the clock of time.monotonic."""
        return Climb(self._rungs(assistant), deadline, prompts)

    def _rungs(self, assistant: Assistant) -> list[Rung]:
        rungs = [Rung("model", self.first, assistant.model)]
        fallback = assistant.fallback_model
        if self.second:
            # A name of the first endpoint's means nothing at the second.
            rungs.append(
                Rung("fallback", self.second, fallback or replace(assistant.model, name=None))
            )
        elif fallback and fallback.name:
            rungs.append(Rung("fallback", self.first, fallback))
        return rungs


class Climb:
    """One turn's way down the ladder. It never goes back up: later questions begin where it is."""

    def __init__(
        self, rungs: Sequence[Rung], deadline: float, prompts: TurnPrompts | None = None
    ) -> None:
        self.rungs = list(rungs)
        self.deadline = deadline
        self.prompts = prompts
        self.attempts: list[Attempt] = []

    @property
    def outcome(self) -> str:
        """What an answer from here is called."""
        return "answered" if self.rungs[0].name == "model" else "fallback_model"

    @property
    def left(self) -> float:
        return self.deadline - time.monotonic()

    async def ask(
        self,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]] = (),
        *,
        read: Callable[[Answer], _T],
    ) -> _T:
        """What `read` makes of the first rung's answer that it can use.

        Raises NoAnswer, as `read` does: the last rung's.
        """
        while True:
            rung, is_last = self.rungs[0], len(self.rungs) == 1
            try:
                return await self._try(rung, Question(messages, rung.settings, tools), read)
            except NoAnswer as failure:
                self._log(rung, failure)
                if is_last:
                    raise
                self.rungs.pop(0)

    async def _try(self, rung: Rung, question: Question, read: Callable[[Answer], _T]) -> _T:
        began = time.monotonic()
        try:
            answer = await self._asked(rung, question)
            made = read(answer)
        except NoAnswer as failure:
            await self._note(rung, failure.reason, time.monotonic() - began)
            raise
        await self._note(rung, "answered", time.monotonic() - began, answer)
        return made

    async def _asked(self, rung: Rung, question: Question) -> Answer:
        is_last = len(self.rungs) == 1
        if not is_last and not rung.endpoint.breaker.lets_pass():
            raise NoAnswer("skipped", "it failed again and again a moment ago")
        seconds = self.left if is_last else self.left * FIRST_SHARE
        if seconds <= 0:
            raise NoAnswer("timeout", "no time was left; a longer deadline_seconds would help")
        return await rung.endpoint.ask(question, seconds=seconds, sends=self._sends(rung))

    def _sends(self, rung: Rung) -> Sends | None:
        prompts = self.prompts
        if prompts is None:
            return None
        asked = {"rung": rung.name, "address": rung.endpoint.client.address}
        return lambda body: prompts.sent(body, asked)

    async def _note(
        self, rung: Rung, outcome: str, seconds: float, answer: Answer | None = None
    ) -> None:
        self.attempts.append(
            Attempt(
                rung=rung.name,
                model=(answer and answer.model) or _name(rung),
                outcome=outcome,
                ms=round(seconds * 1000),
                prompt_tokens=answer.prompt_tokens if answer else None,
                completion_tokens=answer.completion_tokens if answer else None,
                prompts=await self.prompts.kept() if self.prompts else (),
            )
        )

    def _log(self, rung: Rung, failure: NoAnswer) -> None:
        log.warning(
            "model.no_answer",
            reason=failure.reason,
            rung=rung.name,
            endpoint=rung.endpoint.client.address,
            model=_name(rung),
            advice=failure.advice,
        )


def _name(rung: Rung) -> str:
    return rung.settings.name or rung.endpoint.client.model.name
