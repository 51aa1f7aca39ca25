"""Which assistant answers, and what its tools may know of the turn."""

from __future__ import annotations

import functools
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rasa_sdk import Tracker

from actions.tool import Turn
from actions.toolbox import unknown_tools
from connectors.assistant import Assistant
from connectors.assistants import LiveAssistants


@functools.cache
def live_assistants() -> LiveAssistants:
    """This process' assistants. Raises SettingsError, the first time."""
    return LiveAssistants(also=unknown_tools)


def turn_of(tracker: Tracker, assistants: LiveAssistants | None = None) -> Turn:
    """The turn that a tracker is in."""
    assistant = (assistants or live_assistants()).now.named(_noted(tracker).get("assistant"))
    said = (tracker.latest_message or {}).get("text")
    return turn_at(datetime.now().astimezone(), assistant, tracker.slots, said or "")


def turn_at(now: datetime, assistant: Assistant, slots: dict[str, Any], said: str) -> Turn:
    here = now.astimezone(ZoneInfo(assistant.timezone))
    return Turn(assistant=assistant, now=here, slots=slots, customer_said=said)


def _noted(tracker: Tracker) -> dict[str, Any]:
    """What the SMS channel notes beside a text; `rasa shell` and REST note nothing."""
    metadata = (tracker.latest_message or {}).get("metadata")
    return metadata if isinstance(metadata, dict) else {}
