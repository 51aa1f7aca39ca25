"""No more texts."""

from __future__ import annotations

from actions.tool import Turn, tool

# Beside the answer: the commit of the turn keeps the opt-out, see connectors/.
OPT_OUT = "opt_out"


@tool
def opt_out(turn: Turn) -> str:
    """Unsubscribes the customer from all texts.

    Call it when the customer clearly wants no more texts from this number, in whatever words.
    """
    turn.metadata[OPT_OUT] = True
    turn.say(turn.assistant.texts.opted_out)
    return "done"
