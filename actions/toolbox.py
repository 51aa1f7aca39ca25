"""An assistant's tools in one turn: only those that its file lists, each within its time."""

from __future__ import annotations

import asyncio
import json
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import async_timeout
import structlog

from actions import tools
from actions.fence import fenced
from actions.model import ToolCall
from actions.tool import TOOLS, BadArguments, Tool, Turn
from connectors.assistant import Assistant

log = structlog.get_logger(__name__)

MOST_CALLS = 8  # in one round
LONGEST_ARGUMENTS = 2_000  # characters, of what is kept with the turn
# A model needs time for its words after the last tool.
TIME_FOR_WORDS = 0.35


class Toolbox:
    """What a model can reach in one turn, and a record of what it called."""

    def __init__(self, turn: Turn) -> None:
        tools.load()
        self.turn = turn
        self.tools = {name: TOOLS[name] for name in turn.assistant.tools if name in TOOLS}
        self.calls: list[dict[str, Any]] = []

    @property
    def schemas(self) -> list[dict[str, Any]]:
        return [tool.schema for tool in self.tools.values()]

    async def call(self, calls: Sequence[ToolCall], left: float) -> list[dict[str, str]]:
        """The messages with the results, in order. Never raises; `left` is in seconds."""
        seconds = max(left * (1 - TIME_FOR_WORDS), 0)
        results = await asyncio.gather(
            *(self._call(call, seconds) for call in calls[:MOST_CALLS]),
        )
        results += [_error("too many calls at once")] * (len(calls) - len(results))
        return [
            {"role": "tool", "tool_call_id": call.id, "content": result}
            for call, result in zip(calls, results, strict=True)
        ]

    async def _call(self, call: ToolCall, seconds: float) -> str:
        began = time.monotonic()
        outcome, result = await self._outcome(call, seconds)
        ms = round((time.monotonic() - began) * 1000)
        arguments = call.arguments[:LONGEST_ARGUMENTS]
        self.calls.append({"name": call.name, "arguments": arguments, "outcome": outcome, "ms": ms})
        # The name is the model's: only one of ours is a word for the log.
        name = call.name if call.name in self.tools else "?"
        log.info("tool.called", tool=name, outcome=outcome, ms=ms)
        return result

    async def _outcome(self, call: ToolCall, seconds: float) -> tuple[str, str]:
        tool = self.tools.get(call.name)
        if tool is None:
            return "unknown", _error(f"there is no such tool; there are: {', '.join(self.tools)}")
        try:
            async with async_timeout.timeout(min(tool.seconds, seconds)):
                result = await tool.call(call.arguments, self.turn)
                return "ok", fenced(result, tool.name)
        except BadArguments as error:
            return "bad_arguments", _error(str(error))
        except asyncio.TimeoutError:
            return "timeout", _error("the tool took too long; go on without it")
        except Exception:
            # Formatted here: the structured log would print local variables, and thus texts.
            log.error("tool.failed", tool=tool.name, trace=traceback.format_exc())
            return "failed", _error("the tool failed; go on without it")


def unknown_tools(assistant: Assistant) -> Iterable[tuple[str, str]]:
    """What is wrong with an assistant's list of tools; a check for Assistants.load."""
    tools.load()
    for name in assistant.tools:
        if name not in TOOLS:
            known = ", ".join(sorted(TOOLS))
            yield "tools", f"`tools`: there is no tool {name}; there are {known}"
        else:
            yield from _needs(TOOLS[name], assistant)


def _needs(tool: Tool, assistant: Assistant) -> Iterator[tuple[str, str]]:
    for name in tool.needs:
        if not getattr(assistant, name):
            yield "tools", f"`tools`: {tool.name} needs `{name}`, which is missing"


def _error(reason: str) -> str:
    return json.dumps({"error": reason})
