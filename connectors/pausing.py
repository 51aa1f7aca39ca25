"""Pausing: a tracker that Rasa hands out is paused while a person has the conversation.

A room of its own, because the review app takes conversations over without importing Rasa.
"""

from __future__ import annotations

from rasa.shared.core.events import ActionExecuted, ConversationPaused, ConversationResumed
from rasa.shared.core.trackers import DialogueStateTracker

from connectors.handover import BACK, HELD, WAITING


def obey(tracker: DialogueStateTracker, desk: str | None) -> None:
    """Pause or resume a tracker as `desk` has it.

    A turn that was under way while an operator took the conversation, or gave it back, may have
    stored its own idea of that as a snapshot; what the desk says counts.
    """
    if desk in (WAITING, HELD) and not tracker.is_paused():
        tracker.update(ConversationPaused())
    elif desk == BACK and tracker.is_paused():
        tracker.update(ConversationResumed())
        tracker.update(ActionExecuted("action_listen"))
