"""Characters that cost money: look-alikes become GSM-7, emoji go unless they are wanted. Pure.

One character outside GSM-7 makes 70 characters out of the 160 that an SMS segment has.
"""

from __future__ import annotations

import unicodedata

import regex

from connectors.segments import is_gsm7

# Twilio's Smart Encoding replaces much the same. Done here, it is done before anything is counted.
_ALIKE = {
    **dict.fromkeys("‘’‚‛′ʹʻʼʽ`´ˋˊ‹›", "'"),
    **dict.fromkeys("“”„‟″«»〝〞❝❞", '"'),
    **dict.fromkeys("‐‑‒–—―−﹘﹣－", "-"),
    **dict.fromkeys("•‣⁃∙◦▪▫●○■□·‧", "-"),
    **dict.fromkeys("\u2028\u2029\x85\x0b\x0c", "\n"),
    "→": "->",
    "←": "<-",
    "⇒": "=>",
    "×": "x",
    "⁄": "/",
    "÷": "/",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "±": "+/-",
    "®": "(R)",
    "©": "(C)",
    "¢": " ct",
    "°": " deg",
    **dict.fromkeys("\u200c\u200d\ufe0e\ufe0f", ""),
}
_TABLE = str.maketrans(_ALIKE)
_DEGREES = regex.compile(r"\s?°\s?(?=[CF]\b)|(?<=\d)[º˚](?=[CF]\b)")
_GAP = regex.compile(r"\n{3,}")
_MARGIN = regex.compile(r" +\n")
_BLANKS = regex.compile(r"(?<=\S) {2,}")

# Nobody sees these, and each of them costs an SMS its alphabet. The two that join letters of
# Persian and Indian scripts, and emoji, stay.
_JOINERS = "\u200c\u200d"

_PICTURE = r"(?![©®™])\p{Extended_Pictographic}|\p{Regional_Indicator}|[#*0-9]\uFE0F?\u20E3"
_EMOJI = regex.compile(
    rf"(?P<before> *)(?P<emoji>(?:(?:{_PICTURE})[\p{{EMod}}\uFE0F\u20E3\u200D]*)+)(?P<after> *)"
)
_SMILES = {
    **dict.fromkeys("🙂😊😀😃😄😁☺😌🤗", ":)"),
    **dict.fromkeys("😉😜", ";)"),
    **dict.fromkeys("😂🤣😆😅", ":D"),
    **dict.fromkeys("🙁☹😞😔😢😭😟😕", ":("),
    **dict.fromkeys("❤♥💙💚💛💜🧡", "<3"),
}
_KEYCAP = "\u20e3"


def typeset(text: str, *, emoji: bool = False) -> str:
    """The text as it is sent: in GSM-7 if nothing but its typography stands in the way.

    Letters stay what they are. Doing it twice changes nothing.
    """
    text = unicodedata.normalize("NFC", readable(text))
    if not emoji:
        text = _without_emoji(text)
    plain = _tidy(_DEGREES.sub(" ", _compatible(text)).translate(_TABLE))
    return plain if is_gsm7(plain) else _tidy(text)


def readable(text: str) -> str:
    """Without control characters, which show as boxes, and without what does not show at all."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    if not text.replace("\n", "").isprintable():
        text = "".join(char for char in text if _is_shown(char))
    return _GAP.sub("\n\n", _MARGIN.sub("\n", text)).strip()


def _is_shown(char: str) -> bool:
    if char in "\n\u2028\u2029\x85\x0b\x0c" or char in _JOINERS:
        return True
    return unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn")


def _compatible(text: str) -> str:
    """Wide forms, ligatures, odd spaces and fractions as the plain characters they stand for."""
    if is_gsm7(text):
        return text
    return "".join(char if char in _ALIKE or is_gsm7(char) else _decomposed(char) for char in text)


def _decomposed(char: str) -> str:
    plain = unicodedata.normalize("NFKC", char)
    if char in "¼½¾⅓⅔⅛⅜⅝⅞":
        return " " + plain  # 1½ is not 11/2
    return plain


def _tidy(text: str) -> str:
    lines = (_BLANKS.sub(" ", line).rstrip() for line in text.split("\n"))
    return _GAP.sub("\n\n", "\n".join(lines)).strip()


def _without_emoji(text: str) -> str:
    kept = _EMOJI.sub(_instead, text).strip()
    return kept or _named(text)


def _instead(found: regex.Match[str]) -> str:
    """A smile that everybody can type, a keycap's digit, or nothing, and then no gap either."""
    before, emoji, after = found.group("before", "emoji", "after")
    if _KEYCAP in emoji:
        return before + "".join(char for char in emoji if char in "#*0123456789") + after
    if emoji[0] in _SMILES:
        return before + _SMILES[emoji[0]] + after
    line_before = found.string[: found.start()].rpartition("\n")[2]
    next_one = found.string[found.end() : found.end() + 1]
    if not line_before or next_one in "\n.,;:!?)":
        return ""
    between_words = line_before[-1:].isalnum() and next_one.isalnum()
    return " " if before or after or between_words else ""


def _named(text: str) -> str:
    """An answer of nothing but emoji still says something: "(thumbs up sign)"."""
    names = (unicodedata.name(char, "").lower() for char in text if regex.match(_PICTURE, char))
    return " ".join(f"({name})" for name in dict.fromkeys(names) if name)
