"""What a model said becomes what a customer may read."""

from __future__ import annotations

import pytest

from actions.wording import for_customer


def worded(text: str, whole: bool = True, longest: int = 160) -> str:
    return for_customer(text, whole=whole, longest=longest)


@pytest.mark.parametrize(
    ("spoken", "sent"),
    [
        ("  Hello! \r\n\r\n\r\n\r\nBye.  ", "Hello!\n\nBye."),
        ("He\x00llo\x07 th\u200bere\ufeff\u202e", "Hello there"),
        ("a\tb", "a b"),
        ("👩\u200d🔧 at work", "👩\u200d🔧 at work"),
        ("<think>\nThey want a bike.\n</think>\n\nYes!", "Yes!"),
        ("\ud800Hi", "Hi"),
        ("I'm glad. I'm glad. I'm glad. Bye.", "I'm glad."),
        ("We open at 9.30 a.m. on Mondays", "We open at 9.30 a.m. on Mondays"),
    ],
)
def test_a_reply_is_clean(spoken: str, sent: str) -> None:
    assert worded(spoken) == sent


def test_a_reply_that_was_cut_off_ends_with_its_last_sentence() -> None:
    assert worded("We do. Bring it to 12 Mi", whole=False) == "We do."
    assert worded("Bring it to 12 Mi", whole=False) == "Bring it to 12 Mi"


def test_a_long_reply_ends_with_a_sentence_that_fits() -> None:
    assert worded("One. Two two. Three three three.", longest=14) == "One. Two two."
    assert worded("one two three four", longest=10) == "one two…"
    assert worded("x" * 100, longest=10) == "xxxxxxxxx…"
