"""Consent: what a text asks for, if it is about being texted at all. Pure.

Keywords count when they are the whole text. Other wordings of "stop" count only where nothing else
can be meant; whatever is doubtful goes to the assistant, whose model can ask for an opt-out too.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from connectors.opt_out_wording import is_stop_elsewhere, plain_words, wants_no_texts
from connectors.wire import InboundText

# What Twilio itself listens for: the whole text, blanks and case aside.
TWILIO_STOP = frozenset(
    {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"}
)
TWILIO_START = frozenset({"START", "UNSTOP", "YES"})

_STOP = frozenset(word.lower() for word in TWILIO_STOP) | {"stop all", "opt out"}
_START = frozenset({"start", "unstop"})
_HELP = frozenset({"help", "info"})

# The ledger's words. Nothing is in it for who was never out.
IN = "in"
OUT = "out"
OUT_AT_TWILIO = "out:twilio"  # Twilio's own list has them too: nothing of ours would arrive

# How somebody came in or out, as the session log has it.
KEYWORD, WORDING, MODEL = "keyword", "wording", "model"
TWILIO, CODE_21610 = "twilio", "21610"


class Ask(str, Enum):
    """What a text asks for. `YES` is START for who is out, and a plain answer for who is not."""

    NOTHING = ""
    STOP = "stop"
    START = "start"
    YES = "yes"
    HELP = "help"


@dataclass(frozen=True)
class Request:
    """`how` is by which words; `answered` that Twilio has answered them itself, or will."""

    ask: Ask
    how: str = KEYWORD
    answered: bool = False


def read_request(text: InboundText, twilio_answers: bool) -> Request:
    """What a text asks for.

    `twilio_answers` is Twilio's default: it hears STOP and START on long codes and answers by
    itself. Advanced Opt-Out says in the webhook what it heard, in the words of its own lists.
    """
    if text.opt_out_type:
        return Request(_ADVANCED.get(text.opt_out_type.upper(), Ask.NOTHING), TWILIO, True)
    words = plain_words(text.body)
    answered = twilio_answers and text.business.startswith("+") and _twilio_hears(text.body)
    if words in _STOP or is_stop_elsewhere(words):
        return Request(Ask.STOP, TWILIO if answered else KEYWORD, answered)
    if words in _START or words == "yes":
        ask = Ask.YES if words == "yes" else Ask.START
        return Request(ask, TWILIO if answered else KEYWORD, answered)
    if words in _HELP:
        return Request(Ask.HELP)
    if wants_no_texts(text.body):
        return Request(Ask.STOP, WORDING)
    return Request(Ask.NOTHING)


_ADVANCED = {"STOP": Ask.STOP, "START": Ask.START, "HELP": Ask.HELP}


def out_state(how: str) -> str:
    """What the ledger notes for somebody who went out that way."""
    return OUT_AT_TWILIO if how in (TWILIO, CODE_21610) else OUT


def _twilio_hears(body: str) -> bool:
    return body.strip().upper() in TWILIO_STOP | TWILIO_START
