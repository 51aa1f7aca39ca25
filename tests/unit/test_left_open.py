"""The word for the rest, and the number that comes back."""

from __future__ import annotations

import pytest

from connectors.layout import Style
from connectors.left_open import Choice, LeftOpen, is_more, numbered
from connectors.reply import SmsReply

CHOICES = (
    Choice("Tune-up", '/book{"what": "tune-up"}'),
    Choice("Repair", "/repair"),
    Choice("7", "seven"),
)
OPEN = LeftOpen("and so on", CHOICES)


@pytest.mark.parametrize("text", ["MORE", "more", " More! ", "“more”", "m.o.r.e", "More…"])
def test_the_word_for_more(text: str) -> None:
    assert is_more(text, Style().more)


@pytest.mark.parametrize("text", ["more please", "", "tell me more", "MOREOVER", "?"])
def test_only_the_whole_text_is_the_word(text: str) -> None:
    assert not is_more(text, Style().more)


def test_an_assistant_may_have_a_word_of_its_own() -> None:
    assert is_more("mas", "Responde MÁS para el resto.")
    assert is_more("¡Más!", "Responde MÁS para el resto.")
    assert not is_more("Responde", "Responde MÁS para el resto.")
    assert is_more("more", "Responde MÁS para el resto.")


@pytest.mark.parametrize(
    "text",
    [
        "2",
        " 2. ",
        "#2",
        "(2)",
        "2)",
        "option 2",
        "Number 2!",
        "No. 2",
        "２",
        "٢",
        "repair",
        "REPAIR!",
    ],
)
def test_a_choice_is_picked_by_its_number_or_its_words(text: str) -> None:
    assert OPEN.chosen(text) == CHOICES[1]


@pytest.mark.parametrize("text", ["0", "4", "99", "2 bikes", "I have 2", "", "1 and 2", "/repair"])
def test_anything_else_picks_nothing(text: str) -> None:
    assert OPEN.chosen(text) is None


def test_a_number_is_a_number_also_where_a_title_looks_like_one() -> None:
    assert OPEN.chosen("7") is None


def test_it_is_kept_as_it_was() -> None:
    assert LeftOpen.read(OPEN.write()) == OPEN
    assert LeftOpen.read(LeftOpen().write()) == LeftOpen.read(None) == LeftOpen()


async def test_buttons_are_a_numbered_list_that_goes_on_in_the_next_message() -> None:
    reply = SmsReply()
    buttons = [{"title": "Yes", "payload": "/affirm"}, {"title": "No"}, {"payload": "/blank"}]
    await reply.send_text_with_buttons("c", "Do you have a **bike**?", buttons)
    await reply.send_text_with_buttons("c", "Or else:", [{"title": "Maybe"}])
    assert reply.texts == ["Do you have a bike?\n1. Yes\n2. No", "Or else:\n3. Maybe"]
    assert reply.choices == [Choice("Yes", "/affirm"), Choice("No", "No"), Choice("Maybe", "Maybe")]
    assert numbered(CHOICES[:2]) == "1. Tune-up\n2. Repair"
