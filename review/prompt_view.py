"""Prompt view: what a model was sent, as _prompt.html is given it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from review.prompts import Prompt
from review.wording import clock_seconds

RUNGS = {"model": "the first model", "fallback": "the second model"}
_ROLES = {
    "system": "Instructions",
    "developer": "Instructions",
    "user": "Customer",
    "assistant": "Assistant",
    "tool": "What the tool said",
}
_APART = ("messages", "tools")


@dataclass(frozen=True)
class Message:
    """`role` is the model's word, `who` ours; `calls` are the tools that it wanted."""

    role: str
    who: str
    text: str
    calls: list[str]


def view(prompt: Prompt) -> dict[str, Any]:
    request = prompt.request
    messages = request.get("messages")
    tools = request.get("tools")
    return {
        "id": prompt.id,
        "body": prompt.body,
        "facts": [
            ("Sent", f"{clock_seconds(prompt.at_ms)}, to {prompt.address or 'the model'}"),
            ("Asked", RUNGS.get(prompt.rung, prompt.rung)),
            *((str(name), _flat(value)) for name, value in request.items() if name not in _APART),
        ],
        "messages": [_message(one) for one in messages] if isinstance(messages, list) else [],
        "tools": [_tool(one) for one in tools] if isinstance(tools, list) else [],
    }


def _message(given: Any) -> Message:
    if not isinstance(given, Mapping):
        return Message("", "", _flat(given), [])
    role, calls = str(given.get("role") or ""), given.get("tool_calls")
    return Message(
        role,
        _ROLES.get(role, role),
        _flat(given.get("content") or ""),
        [_called(call) for call in calls] if isinstance(calls, list) else [],
    )


def _called(call: Any) -> str:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping):
        return _flat(call)
    return f"{function.get('name')} {_flat(function.get('arguments') or '')}".strip()


def _tool(given: Any) -> tuple[str, str]:
    """Its name, and the schema that the model got."""
    function = given.get("function") if isinstance(given, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else ""
    return str(name or "a tool"), json.dumps(given, indent=2, ensure_ascii=False)


def _flat(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
