"""Events of a session, as Rasa sends them to the action server."""

from __future__ import annotations

from typing import Any


def user(text: Any, **more: Any) -> dict[str, Any]:
    return {"event": "user", "text": text, **more}


def bot(text: Any, **more: Any) -> dict[str, Any]:
    return {"event": "bot", "text": text, **more}


def action(name: str) -> dict[str, Any]:
    return {"event": "action", "name": name}
