"""Asks one model for one answer, and says in plain words why there is none."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import openai
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

from actions.conversation import ChatMessage
from connectors.settings import Model

RETRIES = 1
LOOPBACK = {"127.0.0.1", "::1", "localhost"}
# What reading something that is no chat completion ends in.
_ODD = (ValueError, TypeError, AttributeError, IndexError, KeyError)


@dataclass(frozen=True)
class Answer:
    """What a model said, as it said it."""

    text: str
    whole: bool  # False: the model was cut off at max_tokens
    model: str
    prompt_tokens: int | None
    completion_tokens: int | None


class NoAnswer(Exception):
    """There is none. `reason` is a word for statistics, `advice` is for whoever reads the log."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(f"{reason}: {advice}")
        self.reason = reason
        self.advice = advice


class ModelClient:
    """One OpenAI-compatible endpoint and its open connections. Made in the loop that uses it."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._renamed: dict[str, str | None] = {}  # what this endpoint calls our parameters
        url = urlsplit(model.base_url)
        self.address = f"{url.scheme}://{url.hostname}{f':{url.port}' if url.port else ''}"
        self._client = openai.AsyncOpenAI(
            base_url=model.base_url,
            api_key=model.api_key,
            max_retries=RETRIES,
            # A proxy for the outside world cannot reach our own loopback.
            http_client=openai.DefaultAsyncHttpxClient(trust_env=url.hostname not in LOOPBACK),
        )

    async def ask(
        self, prompt: str, messages: Sequence[ChatMessage], *, seconds: float, **parameters: Any
    ) -> Answer:
        """The answer within so many seconds, retries included. Raises NoAnswer."""
        system = {"role": "system", "content": prompt}
        end = time.monotonic() + seconds
        try:
            while True:
                left = end - time.monotonic()
                sent = self._as_it_calls_them(parameters)
                asked = self._client.chat.completions.create(
                    model=self.model.name,
                    messages=cast("list[ChatCompletionMessageParam]", [system, *messages]),
                    timeout=left,
                    **sent,
                )
                try:
                    return _read(await asyncio.wait_for(asked, left))
                except openai.BadRequestError as error:
                    if not self._learns(error, sent):
                        raise
        except (openai.OpenAIError, asyncio.TimeoutError, *_ODD) as error:
            raise self._explained(error, seconds) from error

    async def close(self) -> None:
        await self._client.close()

    def _as_it_calls_them(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        names = {name: self._renamed.get(name, name) for name in parameters}
        return {called: parameters[name] for name, called in names.items() if called}

    def _learns(self, error: openai.BadRequestError, sent: Mapping[str, Any]) -> bool:
        """Whether to ask again. Newer models refuse max_tokens, and temperatures but their own."""
        refused = error.param
        if refused is None or refused not in sent or refused == "max_completion_tokens":
            return False
        self._renamed[refused] = "max_completion_tokens" if refused == "max_tokens" else None
        return True

    def _explained(self, error: Exception, seconds: float) -> NoAnswer:
        if isinstance(error, (asyncio.TimeoutError, openai.APITimeoutError)):
            return NoAnswer(
                "timeout",
                f"no answer within {seconds:.0f} s; a faster model, a smaller max_tokens or"
                " history_tokens, or a longer deadline_seconds would help",
            )
        if isinstance(error, openai.APIStatusError):
            return _refused(error, self.model.name)
        if isinstance(error, openai.APIConnectionError):
            return NoAnswer("unreachable", "nothing answers there; is the model server running?")
        return NoAnswer(
            "malformed",
            "what came back is no chat completion; does LLM_BASE_URL end where its"
            f" /chat/completions begins (mostly /v1)? ({type(error).__name__})",
        )


def _refused(error: openai.APIStatusError, model: str) -> NoAnswer:
    said = f"HTTP {error.status_code}{_code(error)}"
    if error.status_code in (401, 403):
        return NoAnswer("key_refused", f"{said}: check LLM_API_KEY, and what it may use")
    if error.status_code == 404:
        return NoAnswer(
            "not_found", f"{said}: no model named {model!r} there, or LLM_BASE_URL has a wrong path"
        )
    if error.status_code == 429:
        return NoAnswer("rate_limited", f"{said}: too many requests, or the account is used up")
    if error.status_code >= 500:
        return NoAnswer("server_error", f"{said}: the model server failed; its own log says why")
    return NoAnswer(
        "refused",
        f"{said}: the model does not take this request; check max_tokens, temperature and"
        " history_tokens in the assistant file against what it supports",
    )


def _code(error: openai.APIStatusError) -> str:
    """The server's own word for it. Never its message: that may repeat what the customer wrote."""
    for word in (error.code, error.type):
        if isinstance(word, str) and re.fullmatch(r"[\w.-]{1,64}", word):
            return f" {word}"
    return ""


def _read(completion: ChatCompletion) -> Answer:
    """Nothing here is sure: compatible servers leave fields out, and send other things with 200."""
    choice = completion.choices[0]
    text = choice.message.content
    if text is None or (isinstance(text, str) and not text.strip()):
        raise NoAnswer("empty", _why_empty(choice.finish_reason))
    if not isinstance(text, str):
        raise TypeError("content is no text")
    usage = completion.usage
    return Answer(
        text=text,
        whole=choice.finish_reason != "length",
        model=completion.model if isinstance(completion.model, str) else "",
        prompt_tokens=usage.prompt_tokens if usage else None,
        completion_tokens=usage.completion_tokens if usage else None,
    )


def _why_empty(finish_reason: str | None) -> str:
    if finish_reason == "length":
        return "the model used all its tokens before it said anything; raise max_tokens"
    if finish_reason == "content_filter":
        return "the provider's content filter took the answer away"
    return "the model said nothing; is it a chat model?"
