"""Handing a conversation over to a person, for the tool and for the rule.

The answer's metadata says it to the commit of the turn, which notes since when a person is waited
for; Rasa's own pause keeps the assistant quiet until the conversation is given back.
"""

from __future__ import annotations

from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import ConversationPaused
from rasa_sdk.executor import CollectingDispatcher

from actions.assistants import turn_of
from actions.tool import Turn

HAND_OVER = "hand_over"
LONGEST_REASON = 200


def hand_over(turn: Turn, reason: str, *, asked_by: str) -> str:
    """Pause the conversation, unless this assistant hands over to nobody. Tells the model which."""
    if not turn.assistant.hand_over_minutes:
        return "Nobody can take over. Say so, and name the contact if there is one."
    turn.metadata[HAND_OVER] = {"reason": reason[:LONGEST_REASON], "asked_by": asked_by}
    turn.events.append(ConversationPaused())
    turn.say(turn.assistant.texts.handed_over)
    return "done"


class ActionHandOver(Action):
    """`action_hand_over`, for rules: the customer asks for a person in so many words."""

    def name(self) -> str:
        return "action_hand_over"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[dict[str, Any]]:
        turn = turn_of(tracker)
        hand_over(turn, "the customer asked for a person", asked_by="customer")
        said = turn.said or turn.assistant.texts.no_person
        dispatcher.utter_message(text=said, **turn.metadata)
        return list(turn.events)
