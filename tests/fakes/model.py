"""A scripted model: an OpenAI-compatible server on a free port that keeps what it was asked."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

NAME = "a-scripted-model"


@dataclass(frozen=True)
class Says:
    """An answer as a real server gives it. "{n}" becomes the number of the request."""

    text: str | None
    finish_reason: str = "stop"
    usage: tuple[int, int] | None = (12, 7)
    seconds: float = 0.0  # how long it thinks


@dataclass(frozen=True)
class Calls:
    """Wants tools called: pairs of a name and arguments, an object or what stands for one."""

    calls: Sequence[tuple[str, Any]]
    text: str | None = None

    @classmethod
    def one(cls, name: str, **arguments: Any) -> Calls:
        return cls([(name, arguments)])


@dataclass(frozen=True)
class Fails:
    """An error as OpenAI words it."""

    status: int
    code: str | None = None
    param: str | None = None
    message: str = "no"


@dataclass(frozen=True)
class Sends:
    """Anything else."""

    body: str
    content_type: str = "application/json"


@dataclass(frozen=True)
class Hangs:
    """Takes the request and never answers."""


@dataclass(frozen=True)
class Obeys:
    """Says what somebody makes of the request: a model with no will of its own."""

    answer: Callable[[dict[str, Any]], Says | Calls]


Step = Says | Calls | Fails | Sends | Hangs | Obeys


@dataclass
class FakeModel:
    """`async with FakeModel() as model:`. Does the steps in turn; the last one again and again.

    Set `script` at any time. `requests` holds what came in, `bodies` the same byte for byte, `keys`
    their API keys.
    """

    script: Sequence[Step] = (Says("OK."),)
    requests: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    base_url: str = ""
    meanings: Sequence[set[str]] | None = None  # words that mean the same; None: no embeddings
    embedded: list[list[str]] = field(default_factory=list)
    # Seconds that it thinks longer when the last message has the word.
    slow: Mapping[str, float] = field(default_factory=dict)
    busiest: int = 0  # so many requests were with it at the same moment
    _busy: int = 0

    def answers(self, *texts: str) -> None:
        self.script = [Says(text) for text in texts]

    @property
    def last_messages(self) -> list[dict[str, str]]:
        messages: list[dict[str, str]] = self.requests[-1]["messages"]
        return messages

    @property
    def tool_results(self) -> list[str]:
        """What the tools said, as the model read it last, without the fence around it."""
        read = [m["content"] for m in self.last_messages if m["role"] == "tool"]
        return [text.split("\n", 1)[-1].removesuffix("\n</data>") for text in read]

    async def __aenter__(self) -> FakeModel:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        app = Starlette(
            routes=[
                Route("/v1/chat/completions", self._complete, methods=["POST"]),
                Route("/v1/embeddings", self._embed, methods=["POST"]),
            ]
        )
        config = uvicorn.Config(
            app, log_level="error", lifespan="off", ws="none", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._ended = asyncio.Event()
        self._serving = asyncio.ensure_future(self._server.serve(sockets=[listener]))
        while not self._server.started:
            await asyncio.sleep(0.01)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._server.should_exit = True
        await self._serving

    async def _complete(self, request: Request) -> Response:
        self.requests.append(await request.json())
        self.bodies.append(await request.body())
        self.keys.append(request.headers.get("authorization", "").removeprefix("Bearer "))
        step = self.script[0]
        self.script = self.script[1:] or self.script
        if isinstance(step, Obeys):
            step = step.answer(self.requests[-1])
        asked = str(self.last_messages[-1]["content"])
        await asyncio.sleep(sum(longer for word, longer in self.slow.items() if word in asked))
        self._busy += 1
        self.busiest = max(self.busiest, self._busy)
        try:
            return await self._do(step)
        finally:
            self._busy -= 1

    async def _embed(self, request: Request) -> Response:
        """A vector for each text, by what its words mean (see `meanings`)."""
        asked = await request.json()
        self.embedded.append(asked["input"])
        if self.meanings is None:
            return _json({"error": {"message": "no embeddings here"}}, 404)
        rows = [self._vector(text) for text in asked["input"]]
        data = [{"object": "embedding", "index": n, "embedding": r} for n, r in enumerate(rows)]
        return _json({"object": "list", "model": NAME, "data": data, "usage": {}}, 200)

    def _vector(self, text: str) -> list[float]:
        words = text.lower().split()
        counts = [float(sum(word in group for word in words)) for group in self.meanings or ()]
        return [*counts, 0.1]

    async def _do(self, step: Says | Calls | Fails | Sends | Hangs) -> Response:
        if isinstance(step, Hangs):
            await self._ended.wait()
            return Response(status_code=503)
        if isinstance(step, Fails):
            return _json({"error": {**vars(step), "type": "fake"}}, step.status)
        if isinstance(step, Sends):
            return Response(step.body, media_type=step.content_type)
        if isinstance(step, Calls):
            return _json(_tool_calls(step, len(self.requests)), 200)
        await asyncio.sleep(step.seconds)
        text = step.text and step.text.replace("{n}", str(len(self.requests)))
        return _json(_completion(replace(step, text=text)), 200)


def _completion(step: Says) -> dict[str, Any]:
    completion: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": NAME,
        "choices": [
            {
                "index": 0,
                "finish_reason": step.finish_reason,
                "message": {"role": "assistant", "content": step.text},
            }
        ],
    }
    if step.usage:
        prompt, completed = step.usage
        completion["usage"] = {
            "prompt_tokens": prompt,
            "completion_tokens": completed,
            "total_tokens": prompt + completed,
        }
    return completion


def _tool_calls(step: Calls, number: int) -> dict[str, Any]:
    completion = _completion(Says(step.text, finish_reason="tool_calls"))
    completion["choices"][0]["message"]["tool_calls"] = [
        {
            "id": f"call-{number}-{index}",
            "type": "function",
            "function": {
                "name": name,
                "arguments": given if isinstance(given, str) else json.dumps(given),
            },
        }
        for index, (name, given) in enumerate(step.calls)
    ]
    return completion


def _json(body: dict[str, Any], status: int) -> Response:
    return Response(json.dumps(body), status_code=status, media_type="application/json")
