"""A person takes over."""

from __future__ import annotations

from actions import handing_over
from actions.tool import Turn, tool


@tool
def hand_over(turn: Turn, reason: str) -> str:
    """Asks a person to take over the conversation.

    Call it when the customer asks for a person, is upset, or needs what you cannot do.

    Args:
        reason: why, in a few words, for the person who takes over
    """
    return handing_over.hand_over(turn, reason, asked_by="model")
