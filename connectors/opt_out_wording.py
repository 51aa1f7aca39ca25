"""Other wordings of "stop", in the languages of our customers: is that all a text says? Pure.

A wording counts where nothing else can be meant, and it must be the whole text or its first
sentence. What may as well be about an order, an appointment or a subscription is left to the model.
The other languages have a room of their own, see opt_out_languages.
"""

from __future__ import annotations

import re

from connectors.opt_out_languages import LANGUAGES, Language, one_of, without_accents

_LONGEST_WORDING = 200
_APOSTROPHES = re.compile(r"['’`´]")
_PUNCTUATION = re.compile(r"[^\w\s]|_")


def plain_words(text: str) -> str:
    """Small letters, single blanks, no punctuation: "Stop!!" is "stop", "don't" is "dont"."""
    return " ".join(_PUNCTUATION.sub(" ", _APOSTROPHES.sub("", text.casefold())).split())


def is_stop_elsewhere(words: str) -> bool:
    """Are these words (see plain_words) a keyword of another language than English?"""
    bare = without_accents(words)
    return any(bare in language.keywords for language in LANGUAGES)


def wants_no_texts(text: str) -> bool:
    """Does a text say in other words than a keyword that no more texts shall come?

    It must say nothing else; only where it names texts or a list may an explanation follow, and
    no question.
    """
    if len(text) > _LONGEST_WORDING:
        return False
    words = without_accents(plain_words(text))
    if any(language.whole.fullmatch(words) for language in (_ENGLISH, *LANGUAGES)):
        return True
    sentences = [words for s in re.split(r"[.!;\n]+", text) if (words := plain_words(s))]
    if len(sentences) < 2 or "?" in text:
        return False
    first = without_accents(sentences[0])
    return any(language.named.fullmatch(first) for language in (_ENGLISH, *LANGUAGES))


_TEXTS = r"(?:text|txt|sms|message|msg)s?(?: messages?)?"
_TO_TEXT = one_of("text", "txt", "sms", "message", "msg", "contact", "bother", "spam")
_TEXTING = one_of(
    "texting", "txting", "messaging", "msging", "contacting", "bothering", "spamming", "harassing"
)
_ME = one_of("me", "us", "this number", "this phone", "my number", "my phone")
_WHICH = r"(?:(?:any|all|these|those|your|the|more|such) )*"
_TO_ME = rf"(?: (?:to|from) (?:{_ME}|you|this number))?"
_LIST = (
    rf"(?:your|this|all|all your) (?:{_TEXTS} |texting |messaging |contact |mailing )?"
    + one_of("lists?", "system", "database")
)
_POLITE = (
    *("please", "pls", "plz", "kindly", "just", "thanks", "thank you", "hey", "hi", "hello", "sir"),
    *("ok", "okay", "no", "i said", "wrong number", "can you", "could you", "would you"),
    *("will you", "you can", "you must", "i want you to", "i need you to", "id like you to"),
    *("i would like you to", "again", "now", "right now", "immediately", "at once", "asap"),
    *("anymore", "any more", "ever"),
)
_I_WANT = rf"(?:{one_of('i want', 'i would like', 'id like', 'i wish', 'i need', 'i have')} to )?"
_NAMED = (
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

_ENGLISH = Language.of(_POLITE, _NAMED, alone=("stop(?: stop)*",))
