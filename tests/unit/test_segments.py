"""What Twilio bills."""

from __future__ import annotations

import gsm0338
import pytest
import smsutil
from hypothesis import given
from hypothesis import strategies as st

from connectors.segments import count

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


@given(TEXTS)
def test_segments_agree_with_another_splitter(text: str) -> None:
    assert count(text).segments == max(len(smsutil.split(text).parts), 1)
