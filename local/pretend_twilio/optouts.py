"""STOP, START and HELP as Twilio handles them by default: its own block list, its own answers."""

from __future__ import annotations

STOP = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
START = frozenset({"START", "UNSTOP", "YES"})
HELP = frozenset({"HELP", "INFO"})

STOPPED = (
    "You have successfully been unsubscribed. You will not receive any more messages"
    " from this number. Reply START to resubscribe."
)
STARTED = (
    "You have successfully been re-subscribed to messages from this number."
    " Reply HELP for help. Reply STOP to unsubscribe. Msg&Data Rates May Apply."
)
HELPED = "Reply STOP to unsubscribe. Msg&Data Rates May Apply."

_TOLL_FREE = ("+1800", "+1833", "+1844", "+1855", "+1866", "+1877", "+1888")


class OptOuts:
    """Who has stopped which of our numbers."""

    def __init__(self) -> None:
        self._blocked: set[tuple[str, str]] = set()

    def has(self, customer: str, number: str) -> bool:
        return (customer, number) in self._blocked

    def hear(self, customer: str, number: str, body: str) -> str | None:
        """Obey the keyword if the whole text is one, and say what Twilio answers to it.

        Nothing is answered to what changes nothing (a second STOP, a YES in conversation), nor
        to a HELP of somebody who has stopped. Short codes are left alone: theirs is up to us.
        """
        word = body.strip().upper()
        pair = (customer, number)
        if not number.startswith("+"):
            return None
        if word in STOP and pair not in self._blocked:
            self._blocked.add(pair)
            return STOPPED
        if is_start(word, number) and pair in self._blocked:
            self._blocked.discard(pair)
            return STARTED
        return HELPED if word in HELP and pair not in self._blocked else None


def is_start(word: str, number: str) -> bool:
    """Toll-free carriers know START and UNSTOP only."""
    return word in START and not (word == "YES" and number.startswith(_TOLL_FREE))
