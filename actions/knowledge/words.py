"""The words of a question, as the index asks for them. Pure."""

from __future__ import annotations

import re
import unicodedata

# Tokenizers of SQLite's FTS5. The English one knows that "rented" is "rent".
ENGLISH = "porter unicode61 remove_diacritics 2"
OTHER = "unicode61 remove_diacritics 2"
# Languages that write no spaces are found by any three characters.
UNSPACED = "trigram"
_WITHOUT_SPACES = ("zh", "ja", "ko", "th", "lo", "km", "my")

# What stands in every question and tells nothing. Short on purpose: BM25 weighs the rest.
_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    a an and any anyone anything are as at be by can could did do does doing don for from
    get got had has have he hello her hey hi how i if in is it its just know like me my need
    of ok okay on or our please so some tell thank thanks that the their them then there
    they thing this to us want was we what when where which who why will with would you your
    """,
    )
)
_WORD = re.compile(r"[\w']+(?:[.-]\w+)*")
_HYPHENATED = re.compile(r"\w+(?:-\w+)+")
# How much of a word's end a language without a stemmer of its own may change.
_ENDING = 3
_SHORTEST_STEM = 4


def tokenizer(languages: tuple[str, ...]) -> str:
    first = languages[0].partition("-")[0] if languages else "en"
    if first in _WITHOUT_SPACES:
        return UNSPACED
    return ENGLISH if first == "en" else OTHER


def joined(text: str) -> str:
    """The words with a hyphen as people text them: ebike for e-bike, tuneup for tune-up."""
    return " ".join(dict.fromkeys(word.replace("-", "") for word in _HYPHENATED.findall(text)))


def query(text: str, tokenize: str) -> str:
    """A question as an FTS5 query: any of its words; "" if there is nothing to look for."""
    if tokenize == UNSPACED:
        return " OR ".join(f'"{part}"' for part in _trigrams(text))
    words = [word.strip("'").lower() for word in _WORD.findall(unicodedata.normalize("NFC", text))]
    telling = [word for word in words if word not in _STOP_WORDS] or words
    asked = dict.fromkeys(term for word in telling if word for term in _terms(word, tokenize))
    return " OR ".join(asked)


def _terms(word: str, tokenize: str) -> list[str]:
    without_hyphens = word.replace("-", "")
    return [_term(each, tokenize) for each in dict.fromkeys((word, without_hyphens))]


def _term(word: str, tokenize: str) -> str:
    # Quoted: a query has a grammar of its own, and a customer's "-" or "NEAR" is none of it.
    quoted = f'"{word.replace(chr(34), "")}"'
    if tokenize == ENGLISH or len(word) < _SHORTEST_STEM + 1:
        return quoted
    stem = word[: max(_SHORTEST_STEM, len(word) - _ENDING)]
    return f'({quoted} OR "{stem}"*)'


def _trigrams(text: str) -> list[str]:
    runs = ["".join(char for char in run if char.isalnum()) for run in text.split()]
    grams = [run[i : i + 3] for run in runs for i in range(len(run) - 2)]
    return list(dict.fromkeys(grams))
