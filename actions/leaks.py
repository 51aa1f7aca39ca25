"""Does an answer give the prompt away? Pure.

Compared is what is left of both when only letters count, in plain or in one of the disguises that
models know how to make: no model has to mean well for it. It finds long verbatim pieces. It does
not find a translation or a summary, so a prompt is no place for secrets.
"""

from __future__ import annotations

import base64
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from urllib.parse import unquote

import regex

# Of letters in UTF-8: about ten words of English, six of Russian, sixteen characters of Chinese.
LONGEST_BYTES = 48
# Shorter prompts are given away only as a whole; one of a few words is no secret.
SHORTEST_BYTES = 24
# An answer may go on where the ones before it ended.
REMEMBERED_BYTES = 600
# Those are in the last so many characters of anything that is said.
_LOOKED_BACK = 4 * REMEMBERED_BYTES

# Most of what makes a text of English more than ASCII, which is read twenty times as fast.
_TYPOGRAPHY = str.maketrans("‘’“”–—…•\u00a0", "''\"\"--.* ")
_NO_LETTERS = bytes(byte for byte in range(128) if not chr(byte).isalpha())
_LOOK_ALIKE = str.maketrans(
    "аеорсухіјѕԁһкмтвнгԛԝьαεορτυνικχηγωβ",
    "aeopcyxijsdhkmtbhrqwbaeoptuvikxnywb",
)
_LEET = str.maketrans("0134578@$!|€", "oleastbasiie")
_LEET_WITH_I = str.maketrans("0134578@$!|€", "oieastbasiie")
_BASE64 = regex.compile(r"(?:[A-Za-z0-9+/_-]\s?){24,}={0,2}")
_HEX = regex.compile(r"(?:[0-9a-fA-F]{2}[\s:,]?){12,}")


class Leaks:
    """`prompt` is to be kept back; of it, `public` may be told. `strict` finds shorter pieces."""

    def __init__(self, prompt: str, public: str = "", strict: bool = False) -> None:
        kept_back = letters(prompt)
        self.size = min(SHORTEST_BYTES if strict else LONGEST_BYTES, len(kept_back))
        self.windows = frozenset(_windows(kept_back, self.size)) - frozenset(
            _windows(letters(public), self.size)
        )
        if self.size < SHORTEST_BYTES:
            self.windows = frozenset()
        # Whatever holds a whole window holds one of these at a multiple of their size.
        self.half = max(self.size // 2, 1)
        self.halves = frozenset(_windows(kept_back, self.half))

    def found_in(self, answer: str, before: str = "") -> bool:
        """`before` is what was answered earlier in the session."""
        if not self.windows:
            return False
        answer = answer.translate(_TYPOGRAPHY)
        earlier = letters(before[-_LOOKED_BACK:].translate(_TYPOGRAPHY))[-REMEMBERED_BYTES:]
        if self._shows(earlier + letters(answer)):
            return True
        return any(self._shows(letters(form)) for form in _disguised(answer, self.size))

    def _shows(self, text: bytes) -> bool:
        """Looked at closely only where a rough look finds something: there is much to look at."""
        places = range(0, len(text), self.half)
        if not any(text[at : at + self.half] in self.halves for at in places):
            return False
        return any(window in self.windows for window in _windows(text, self.size))


@lru_cache(maxsize=32)
def leaks(prompt: str, public: str = "", strict: bool = False) -> Leaks:
    return Leaks(prompt, public, strict)


def letters(text: str) -> bytes:
    """Only the letters, without case, accents and look-alikes of other alphabets."""
    if text.isascii():
        return text.encode().lower().translate(None, _NO_LETTERS)
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    plain = plain.translate(_LOOK_ALIKE)
    return "".join(filter(str.isalpha, plain)).encode(errors="ignore")


def _windows(text: bytes, size: int) -> Iterator[bytes]:
    if size:
        yield from (text[at : at + size] for at in range(len(text) - size + 1))


def _disguised(answer: str, shortest: int) -> Iterator[str]:
    """The answer read in other ways; one of another at most. `shortest` is in bytes."""
    read = (form for undo in _CODES for form in undo(answer))
    # Words in a row look like base64, too, and what they decode to is short.
    forms = [answer, *(form for form in read if len(form.encode(errors="ignore")) >= shortest)]
    yield from forms[1:]
    for form in forms:
        for undo in _CIPHERS:
            if (undone := undo(form)) != form:
                yield undone


def _base64(text: str) -> Iterator[str]:
    for found in _BASE64.finditer(text):
        piece = "".join(found.group().split()).rstrip("=").translate(str.maketrans("-_", "+/"))
        with suppress(ValueError):
            # Cut off in the middle, it can still be read up to there.
            yield base64.b64decode(piece[: len(piece) // 4 * 4]).decode(errors="ignore")


def _hex(text: str) -> Iterator[str]:
    for found in _HEX.finditer(text):
        yield bytes.fromhex(regex.sub(r"[\s:,]", "", found.group())).decode(errors="ignore")


def _percent(text: str) -> Iterator[str]:
    if text.count("%") > 5:
        yield unquote(text)


def _shifted(by: int) -> Callable[[str], str]:
    """Caesar's cipher; 13 is the one that everybody knows."""
    a_to_z = "abcdefghijklmnopqrstuvwxyz"
    moved = a_to_z[by:] + a_to_z[:by]
    table = str.maketrans(a_to_z + a_to_z.upper(), moved + moved.upper())
    return lambda text: text.translate(table)


def _backwards(text: str) -> str:
    return text[::-1]


def _words_backwards(text: str) -> str:
    return " ".join(word[::-1] for word in text.split())


def _word_order_backwards(text: str) -> str:
    return " ".join(reversed(text.split()))


def _leet(text: str) -> str:
    return text.translate(_LEET)


def _leet_with_i(text: str) -> str:
    return text.translate(_LEET_WITH_I)


_CODES: tuple[Callable[[str], Iterator[str]], ...] = (_base64, _hex, _percent)
_CIPHERS: tuple[Callable[[str], str], ...] = (
    *map(_shifted, range(1, 26)),
    _backwards,
    _words_backwards,
    _word_order_backwards,
    _leet,
    _leet_with_i,
)
