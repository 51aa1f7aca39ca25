"""Markdown as a phone shows it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.plain_text import _read, plain_text


@pytest.mark.parametrize(
    ("markdown", "plain"),
    [
        ("We are **open** and *glad*, __really__.", "We are open and glad, really."),
        ("# Hours\n\nMon - Fri", "Hours\n\nMon - Fri"),
        ("Hours:\n* Mon\n* **Tue**: late\n\nBye", "Hours:\n- Mon\n- Tue: late\n\nBye"),
        ("1. one\n2. two\n   - three", "1. one\n2. two\n  - three"),
        ("1. one\n1. two", "1. one\n2. two"),
        ("3) three\n5) five", "3) three\n5) five"),
        ("| Bike | Price |\n|---|---|\n| small | $60 |", "Bike: Price\nsmall: $60"),
        ("Run `make`:\n```sh\nmake run\n```\n---\nDone", "Run make:\n\nmake run\n\nDone"),
        ("See [our page](https://x.example/a_b_c).", "See our page (https://x.example/a_b_c)."),
        (
            "[call](tel:+15550100) or [mail](mailto:a@b.example)",
            "call (+15550100) or mail (a@b.example)",
        ),
        ("[https://x.example](https://x.example)", "https://x.example"),
        ("![map](https://x.example/m.png)", "map (https://x.example/m.png)"),
        ("**Note:**like this", "Note:like this"),
        ("Tom &amp; Jerry \\*", "Tom & Jerry *"),
    ],
)
def test_markdown_is_read(markdown: str, plain: str) -> None:
    assert plain_text(markdown) == plain


@pytest.mark.parametrize(
    "text",
    [
        "https://x.example/__init__/*a*?q=%C3%A9%20_b_&c=[d]",
        "Go to x.com/_a_ or <b>bold</b>",
        "2*3*4=24, 5 * 6 * 7, 2**3**4",
        "snake_case_name",
        "+ $5 for delivery\n+ $2 a mile",
        "> 18 only\n[1]: see below",
        "one\ntwo\n\nthree",
        "Which?\n1. Yes\n2. No",
        "5 < 6 > 4 & so on",
        "2026. What a year.",
    ],
)
def test_what_is_no_markdown_stays(text: str) -> None:
    assert plain_text(text) == text


@given(st.text(st.sampled_from("ab1*_`#[]()!|-+>~\\\n .:/<&"), max_size=80))
def test_nothing_makes_it_stumble_or_lose_a_letter(text: str) -> None:
    # A fence's first line names a language, the only word that is dropped.
    if "``" not in text:
        kept = [char for char in plain_text(text) if char in "ab"]
        assert kept.count("a") >= text.count("a") - text.count("&")


PIECES = ["a", "é", "Z", "1", "x.com", "http://a.b/c", "www.a.eu", "10.", "1)", "2-3", "--", "=="]
SIGNS = [*" \n.,:;!?'\"()$%/-_*#|\u00a0\u2028\t", "  \n", "\n\n", "\n- ", "\n1. "]


@given(st.lists(st.sampled_from([*PIECES, *SIGNS]), max_size=30).map("".join))
def test_a_text_without_signs_is_what_the_parser_makes_of_it(text: str) -> None:
    assert plain_text(text) == _read(text)
