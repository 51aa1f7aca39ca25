"""What a Rasa user writes to let a model answer."""

from __future__ import annotations

import os
from typing import Any

import httpx
from rasa_sdk import Action, Tracker
from rasa_sdk.executor import CollectingDispatcher

from bench import MESSAGES_SHOWN

ROLES = {"user": "user", "bot": "assistant"}


class ActionAskModel(Action):
    def __init__(self) -> None:
        self.client = httpx.AsyncClient(base_url=os.environ["LLM_BASE_URL"], timeout=60)

    def name(self) -> str:
        return "action_ask_model"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[dict[str, Any]]:
        said = [
            {"role": ROLES[event["event"]], "content": event.get("text") or ""}
            for event in tracker.events
            if event["event"] in ROLES
        ]
        answer = await self.client.post(
            "/chat/completions", json={"model": "m", "messages": said[-MESSAGES_SHOWN:]}
        )
        dispatcher.utter_message(text=answer.json()["choices"][0]["message"]["content"])
        return []
