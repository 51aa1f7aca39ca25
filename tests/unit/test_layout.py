"""How an answer becomes messages, and what is kept for later."""

from __future__ import annotations

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from connectors.layout import LaidOut, Style, lay_out, prepared
from connectors.segments import MAX_CHARACTERS, count, utf16_length

MORE = "Reply MORE for the rest."
SENTENCE = "We repair every kind of bicycle in our shop. "


def told(text: str, style: Style) -> list[LaidOut]:
    """Everything a customer gets who asks for more until there is no more."""
    answers = [lay_out([text], style)]
    while answers[-1].rest and len(answers) < 500:
        answers.append(lay_out([answers[-1].rest], style))
    return answers


def words_of(answers: list[LaidOut]) -> str:
    """The text again, from its messages."""
    messages = [message for answer in answers for message in answer.messages]
    bare = [m.removesuffix(f"\n{MORE}").removesuffix("...") for m in messages]
    return "".join("".join(bare).split())


def test_a_short_answer_is_one_message() -> None:
    assert lay_out(["Yes, we do."], Style()) == LaidOut(("Yes, we do.",))


def test_nothing_is_no_message() -> None:
    assert lay_out(["", " \n"], Style()) == LaidOut(())


def test_a_long_answer_is_cut_after_a_sentence_and_says_how_to_get_the_rest() -> None:
    first, second = told(SENTENCE * 12, Style())
    assert first.messages == (f"{(SENTENCE * 9).strip()}\n{MORE}",)
    assert second.messages == ((SENTENCE * 3).strip(),)
    assert first.segments == 3


def test_a_word_is_not_torn_and_three_dots_say_that_it_goes_on() -> None:
    first, *_ = told("word " * 200, Style(segments=1))
    assert first.messages[0].endswith(f"word...\n{MORE}")


def test_an_abbreviation_ends_no_sentence() -> None:
    text = "We are open from 9 a.m. to 6 p.m. on most days of the week, " * 3
    first, *_ = told(text, Style(segments=1))
    assert "a.m....\n" not in first.messages[0]


def test_a_link_stays_whole() -> None:
    link = "https://shop.example/a/very/long/path?with=a&query=" + "x" * 60
    first, second = told(
        f"{'Please look here for everything that we have: ' * 2}{link} Bye!", Style(segments=1)
    )
    assert "https" not in first.messages[0]
    assert second.messages[0] == f"{link} Bye!"


def test_a_link_longer_than_the_budget_goes_beyond_it_rather_than_to_pieces() -> None:
    link = "https://shop.example/" + "x" * 300
    answers = told(f"{link} and then some more words to read", Style(segments=1))
    assert any(link in answer.messages[0] for answer in answers)


def test_an_emoji_family_is_not_torn() -> None:
    family = "👨‍👩‍👧‍👦"
    for answer in told(family * 40, Style(segments=1, emoji=True)):
        bare = answer.messages[0].partition("...")[0]
        assert set(regex.findall(r"\X", bare)) == {family}


def test_several_texts_share_the_budget() -> None:
    answer = lay_out(["One moment.", SENTENCE * 20, "Anything else?"], Style())
    assert answer.messages[0] == "One moment."
    assert answer.messages[1].endswith(MORE)
    assert answer.rest.endswith("\n\nAnything else?")
    assert answer.segments <= 3


def test_numbers_only_where_there_are_several() -> None:
    long = lay_out([SENTENCE * 80], Style(segments=0))
    assert [message[:6] for message in long.messages] == ["(1/3) ", "(2/3) ", "(3/3) "]
    assert long.rest == ""
    assert lay_out(["One moment.", "Here it is."], Style(segments=0)).messages == (
        "One moment.",
        "Here it is.",
    )


def test_ten_and_more_messages_are_numbered_too() -> None:
    messages = lay_out(["x" * 1599 + " " + "y" * 20_000], Style(segments=0)).messages
    assert messages[0].startswith("(1/14) ")
    assert max(map(len, messages)) <= MAX_CHARACTERS


ANY = st.text(max_size=600)
PLAIN = st.text(st.sampled_from("ab cd.!? \n“é€🙂"), max_size=900)


@given(st.one_of(ANY, PLAIN), st.integers(1, 4), st.booleans())
def test_no_answer_is_over_the_budget_and_nothing_is_lost(
    text: str, segments: int, emoji: bool
) -> None:
    style = Style(segments, emoji)
    said = prepared(text, style)
    answers = told(said, style)
    longest = max([0, *(utf16_length(g) for g in regex.findall(r"\X", said))])
    if longest < 20 and "." not in said:  # no giant cluster, and nothing that could be a link
        assert all(answer.segments <= segments for answer in answers)
    assert answers[-1].rest == ""
    assert words_of(answers).replace(".", "") == "".join(said.split()).replace(".", "")


@given(st.text(max_size=3000))
def test_every_message_is_one_that_twilio_takes(text: str) -> None:
    for message in lay_out([prepared(text * 3, Style())], Style(segments=0)).messages:
        assert 0 < utf16_length(message) <= MAX_CHARACTERS


@pytest.mark.parametrize(("emoji", "segments"), [(False, 1), (True, 2)])
def test_one_emoji_makes_seventy_characters_out_of_a_hundred_and_sixty(
    emoji: bool, segments: int
) -> None:
    text = "Your bike is ready. Come and get it before six, or tomorrow from nine on. 🚲"
    assert count(prepared(text, Style(emoji=emoji))).segments == segments
