"""Asks one model for one answer, and says in plain words why there is none."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from actions.openai_api import ApiError, OpenAiApi, Refused, Sends, Unreachable
from connectors.assistant import ModelSettings
from connectors.settings import Model

# What reading something that is no chat completion ends in.
_ODD = (ValueError, TypeError, AttributeError, IndexError, KeyError)


# As the endpoint takes it: role, content, and what tools need.
Message = Mapping[str, Any]


@dataclass(frozen=True)
class Question:
    """What a model is asked, and how. `tools` are JSON schemas of functions that it may call."""

    messages: Sequence[Message]
    settings: ModelSettings = field(default_factory=ModelSettings)
    tools: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class ToolCall:
    """A function that the model wants called. `arguments` is JSON, if the model kept to it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Answer:
    """What a model said, as it said it: a text, or calls of tools, or both."""

    text: str
    whole: bool  # False: the model was cut off at max_tokens
    model: str
    prompt_tokens: int | None
    completion_tokens: int | None
    calls: tuple[ToolCall, ...] = ()


class NoAnswer(Exception):
    """There is none. `reason` is a word for statistics, `advice` is for whoever reads the log."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(f"{reason}: {advice}")
        self.reason = reason
        self.advice = advice


class ModelClient:
    """The models of one endpoint. Made in the loop that uses it."""

    def __init__(self, model: Model) -> None:
        self.model = model
        # What the endpoint's models call our parameters: (model, ours) to theirs.
        self._renamed: dict[tuple[str, str], str | None] = {}
        url = urlsplit(model.base_url)
        self.address = f"{url.scheme}://{url.hostname}{f':{url.port}' if url.port else ''}"
        self._api = OpenAiApi(model)

    async def ask(
        self, question: Question, *, seconds: float, sends: Sends | None = None
    ) -> Answer:
        """The answer within so many seconds, retries included. Raises NoAnswer."""
        name = question.settings.name or self.model.name
        end = time.monotonic() + seconds
        try:
            while True:
                sent = self._as_it_calls_them(name, _parameters(question))
                body = {"model": name, "messages": list(question.messages), **sent}
                left = max(end - time.monotonic(), 0)
                try:
                    answer = await self._api.post(
                        "/chat/completions", body, seconds=left, sends=sends
                    )
                    return _read(answer)
                except Refused as error:
                    if not self._learns(name, error, sent):
                        raise
        except (ApiError, asyncio.TimeoutError, *_ODD) as error:
            raise _explained(error, seconds, name) from error

    async def close(self) -> None:
        await self._api.close()

    def _as_it_calls_them(self, model: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        names = {name: self._renamed.get((model, name), name) for name in parameters}
        return {called: parameters[name] for name, called in names.items() if called}

    def _learns(self, model: str, error: Refused, sent: Mapping[str, Any]) -> bool:
        """Whether to ask again. Newer models refuse max_tokens, and temperatures but their own."""
        refused = error.param if error.status == 400 else None
        if refused not in ("max_tokens", "temperature") or refused not in sent:
            return False
        called = "max_completion_tokens" if refused == "max_tokens" else None
        self._renamed[model, refused] = called
        return True


def _parameters(question: Question) -> dict[str, Any]:
    settings = question.settings
    parameters: dict[str, Any] = {"max_tokens": settings.max_tokens}
    if settings.temperature is not None:
        parameters["temperature"] = settings.temperature
    if question.tools:
        parameters["tools"] = list(question.tools)
    return {**parameters, **settings.extra}


def _explained(error: Exception, seconds: float, model: str) -> NoAnswer:
    if isinstance(error, asyncio.TimeoutError):
        return NoAnswer(
            "timeout",
            f"no answer within {seconds:.0f} s; a faster model, a smaller max_tokens or"
            " history_tokens, or a longer deadline_seconds would help",
        )
    if isinstance(error, Refused):
        return _refused(error, model)
    if isinstance(error, Unreachable):
        return NoAnswer(
            "unreachable", f"nothing answers there; is the model server running? ({error})"
        )
    return NoAnswer(
        "malformed",
        "what came back is no chat completion; does LLM_BASE_URL end where its"
        f" /chat/completions begins (mostly /v1)? ({type(error).__name__})",
    )


def _refused(error: Refused, model: str) -> NoAnswer:
    said = f"HTTP {error.status}{_code(error)}"
    if error.status in (401, 403):
        return NoAnswer("key_refused", f"{said}: check LLM_API_KEY, and what it may use")
    if error.status == 404:
        return NoAnswer(
            "not_found", f"{said}: no model named {model!r} there, or LLM_BASE_URL has a wrong path"
        )
    if error.status == 429:
        return NoAnswer("rate_limited", f"{said}: too many requests, or the account is used up")
    if error.status >= 500:
        return NoAnswer("server_error", f"{said}: the model server failed; its own log says why")
    return NoAnswer(
        "refused",
        f"{said}: the model does not take this request; check max_tokens, temperature, extra,"
        " tools and history_tokens in the assistant file against what it supports",
    )


def _code(error: Refused) -> str:
    """The server's own word for it. Never its message: that may repeat what the customer wrote."""
    for word in (error.code, error.kind):
        if isinstance(word, str) and re.fullmatch(r"[\w.-]{1,64}", word):
            return f" {word}"
    return ""


def _read(completion: Any) -> Answer:
    """Nothing here is sure: compatible servers leave fields out, and send other things with 200."""
    choice = completion["choices"][0]
    message, finish_reason = choice["message"], choice.get("finish_reason")
    text, calls = message.get("content") or "", _calls(message)
    if not isinstance(text, str):
        raise TypeError("content is no text")
    if not text.strip() and not calls:
        raise NoAnswer("empty", _why_empty(finish_reason))
    model, usage = completion.get("model"), completion.get("usage") or {}
    return Answer(
        text=text,
        calls=calls,
        whole=finish_reason != "length",
        model=model if isinstance(model, str) else "",
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
    )


def _count(tokens: Any) -> int | None:
    return tokens if isinstance(tokens, int) else None


def _calls(message: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    functions = [(call, call.get("function")) for call in message.get("tool_calls") or ()]
    return tuple(
        ToolCall(str(call.get("id")), str(function["name"]), str(function.get("arguments") or ""))
        for call, function in functions
        if function is not None
    )


def _why_empty(finish_reason: str | None) -> str:
    if finish_reason == "length":
        return "the model used all its tokens before it said anything; raise max_tokens"
    if finish_reason == "content_filter":
        return "the provider's content filter took the answer away"
    return "the model said nothing; is it a chat model?"
