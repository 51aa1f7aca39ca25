"""A tool that starts a form: Rasa asks its questions, and remembers the answers in slots."""

from __future__ import annotations

from actions.tool import Turn, tool

FORM = "callback_form"  # in domain.yml and data/rules.yml


@tool
def request_callback(turn: Turn, topic: str | None = None) -> str:
    """Arranges that somebody calls the customer back; asks for what is missing.

    Args:
        topic: what the call shall be about, if the customer has said so
    """
    turn.set_slot("callback_topic", topic)
    turn.set_slot("callback_time", None)
    turn.start(FORM)
    return "the customer is asked"
