"""What Twilio bills, and where long texts are cut."""

from __future__ import annotations

import gsm0338
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.segments import MAX_CHARACTERS, count, split

GSM = gsm0338.Codec()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("GSM-7", 0, 1)),
        ("a" * 160, ("GSM-7", 160, 1)),
        ("a" * 161, ("GSM-7", 161, 2)),
        ("a" * 306, ("GSM-7", 306, 2)),
        ("a" * 307, ("GSM-7", 307, 3)),
        ("€" * 80, ("GSM-7", 160, 1)),
        ("a" * 152 + "€" + "a" * 152, ("GSM-7", 306, 3)),  # the pair is not torn: a septet is lost
        ("“" + "a" * 69, ("UCS-2", 70, 1)),
        ("“" + "a" * 70, ("UCS-2", 71, 2)),
        ("🚲" * 35, ("UCS-2", 70, 1)),
        ("🚲" * 36, ("UCS-2", 72, 2)),
        ("á", ("UCS-2", 1, 1)),
        ("é ñ ü ß Ω", ("GSM-7", 9, 1)),
        ("tab\t", ("UCS-2", 4, 1)),
    ],
)
def test_segments(text: str, expected: tuple[str, int, int]) -> None:
    assert count(text) == expected


# The codec takes the escape character for the code that announces an extension character.
TEXTS = st.text(st.characters(exclude_characters="\x1b"), max_size=400)


@given(TEXTS)
def test_the_encoding_and_its_length_agree_with_a_codec(text: str) -> None:
    try:
        expected = ("GSM-7", len(GSM.encode(text)[0]))
    except UnicodeEncodeError:
        expected = ("UCS-2", len(text.encode("utf-16-le", "surrogatepass")) // 2)
    assert count(text)[:2] == expected


def test_a_short_text_stays_whole() -> None:
    assert split("Yes, we do.") == ["Yes, we do."]


def test_a_blank_text_has_no_parts() -> None:
    assert split("  \n ") == []


def test_a_long_text_is_cut_after_a_sentence() -> None:
    first, second = "First sentence, which is long. ", "Second sentence, which is long too."
    assert split(first + second, limit=40) == [first.strip(), second]


def test_a_paragraph_is_a_better_cut_than_a_sentence() -> None:
    assert split("One. Two two.\n\nThree. Four", limit=22) == ["One. Two two.", "Three. Four"]


@given(st.text(max_size=500), st.integers(min_value=2, max_value=90))
def test_parts_fit_and_nothing_but_blanks_is_lost(text: str, limit: int) -> None:
    parts = split(text, limit)
    assert all(0 < len(part.encode("utf-16-le", "surrogatepass")) // 2 <= limit for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_twilios_limit_is_the_default() -> None:
    assert [len(part) for part in split("x" * 4000)] == [MAX_CHARACTERS, MAX_CHARACTERS, 800]
