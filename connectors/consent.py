"""Consent: what a text asks for, if it is about being texted at all. Pure.

Keywords count when they are the whole text. Other wordings of "stop" count only where nothing else
can be meant; whatever is doubtful goes to the assistant, whose model can ask for an opt-out too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from connectors.wire import InboundText

# What Twilio itself listens for: the whole text, blanks and case aside.
TWILIO_STOP = frozenset(
    {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"}
)
TWILIO_START = frozenset({"START", "UNSTOP", "YES"})

_STOP = frozenset(word.lower() for word in TWILIO_STOP) | {"stop all", "opt out"}
_START = frozenset({"start", "unstop"})
_HELP = frozenset({"help", "info"})
_LONGEST_WORDING = 200
_APOSTROPHES = re.compile(r"['’`´]")
_PUNCTUATION = re.compile(r"[^\w\s]|_")

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
    if words in _STOP:
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


def plain_words(text: str) -> str:
    """Small letters, single blanks, no punctuation: "Stop!!" is "stop", "don't" is "dont"."""
    return " ".join(_PUNCTUATION.sub(" ", _APOSTROPHES.sub("", text.casefold())).split())


def _twilio_hears(body: str) -> bool:
    return body.strip().upper() in TWILIO_STOP | TWILIO_START


def wants_no_texts(text: str) -> bool:
    """Does a text say in other words than a keyword that no more texts shall come?

    It must say nothing else; only where it names texts or a list may an explanation follow, and
    no question.
    """
    if len(text) > _LONGEST_WORDING:
        return False
    if _WHOLE.fullmatch(plain_words(text)):
        return True
    sentences = [words for s in re.split(r"[.!;\n]+", text) if (words := plain_words(s))]
    explained = len(sentences) > 1 and "?" not in text
    return explained and bool(_EXPLICIT.fullmatch(sentences[0]))


def _one_of(*patterns: str) -> str:
    return "(?:" + "|".join(patterns) + ")"


_TEXTS = r"(?:text|txt|sms|message|msg)s?(?: messages?)?"
_TO_TEXT = _one_of("text", "txt", "sms", "message", "msg", "contact", "bother", "spam")
_TEXTING = _one_of(
    "texting", "txting", "messaging", "msging", "contacting", "bothering", "spamming", "harassing"
)
_ME = _one_of("me", "us", "this number", "this phone", "my number", "my phone")
_WHICH = r"(?:(?:any|all|these|those|your|the|more|such) )*"
_TO_ME = rf"(?: (?:to|from) (?:{_ME}|you|this number))?"
_LIST = (
    rf"(?:your|this|all|all your) (?:{_TEXTS} |texting |messaging |contact |mailing )?"
    + _one_of("lists?", "system", "database")
)
_POLITE = _one_of(
    *("please", "pls", "plz", "kindly", "just", "thanks", "thank you", "hey", "hi", "hello", "sir"),
    *("ok", "okay", "no", "i said", "wrong number", "can you", "could you", "would you"),
    *("will you", "you can", "you must", "i want you to", "i need you to", "id like you to"),
    *("i would like you to", "again", "now", "right now", "immediately", "at once", "asap"),
    *("anymore", "any more", "ever"),
)
_POLITELY_FIRST = rf"(?:{_POLITE} )*"
_POLITELY_LAST = rf"(?: {_POLITE})*"
_I_WANT = rf"(?:{_one_of('i want', 'i would like', 'id like', 'i wish', 'i need', 'i have')} to )?"
_NAMED = _one_of(
    rf"(?:stop|quit) {_TEXTING} {_ME}",
    rf"(?:stop|quit) sending (?:{_ME} )?{_WHICH}{_TEXTS}{_TO_ME}",
    rf"stop {_WHICH}{_TEXTS}{_TO_ME}",
    rf"(?:do not|dont|never) {_TO_TEXT} {_ME}",
    rf"(?:do not|dont|never) send (?:{_ME} )?{_WHICH}{_TEXTS}{_TO_ME}",
    rf"no more {_TEXTS}{_TO_ME}",
    rf"(?:i )?(?:do not|dont) want (?:to (?:get|receive) )?{_WHICH}{_TEXTS}(?: from you)?",
    rf"(?:take|remove|delete) {_ME} (?:from|off|off of|out of) {_LIST}",
    rf"{_I_WANT}unsubscribe(?: {_ME})?(?: from {_WHICH}(?:{_TEXTS}|lists?))?",
    rf"{_I_WANT}(?:opt out|be opted out)(?: of {_WHICH}{_TEXTS})?",
    rf"opt {_ME} out(?: of {_WHICH}{_TEXTS})?",
    r"i (?:hereby )?(?:revoke|withdraw) (?:my )?(?:consent|permission)(?: to text me)?",
    "lose my number",
    "leave me alone",
)
_EXPLICIT = re.compile(f"{_POLITELY_FIRST}{_NAMED}{_POLITELY_LAST}")
_WHOLE = re.compile(f"{_POLITELY_FIRST}(?:{_NAMED}|stop(?: stop)*){_POLITELY_LAST}")
