"""A prompt that leans on an earlier one is the same again, and short."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.prompt_record import cut, shortened, whole

texts = st.text()  # without halves of surrogate pairs, which nobody can send
bodies = st.lists(st.tuples(st.sampled_from(["system", "user", "tool"]), texts), max_size=8)


def body(messages: list[tuple[str, str]], **settings: object) -> str:
    request = {
        "messages": [{"role": role, "content": content} for role, content in messages],
        "max_tokens": 200,
        "tools": [{"type": "function", "function": {"name": "opening_hours"}}],
        **settings,
    }
    return json.dumps(request, ensure_ascii=False, separators=(",", ":"))


@given(bodies, bodies)
def test_whatever_is_said_comes_back_byte_for_byte(
    earlier: list[tuple[str, str]], now: list[tuple[str, str]]
) -> None:
    like, sent = cut(body(earlier)), body(now)
    kept = json.loads(json.dumps(shortened(cut(sent), like)))
    assert "".join(whole(kept, like)) == sent
    assert "".join(cut(sent)) == sent


def test_words_that_look_like_the_cuts_do_no_harm() -> None:
    sent = body([("user", '\\n ,{"role":"user"} \n\x00 \\\\n],"tools":[')])
    assert "".join(whole(shortened(cut(sent), cut(sent)), cut(sent))) == sent


def test_only_what_is_new_is_kept() -> None:
    lines = "\n".join(f"Line {n} of the instructions." for n in range(60))
    said = [("user", f"question {n}") for n in range(100)]
    before = body([("system", f"It is 10:04.\n{lines}"), *said])
    now = body([("system", f"It is 10:05.\n{lines}"), *said[50:], ("user", "And on Sunday?")])
    kept = shortened(cut(now), cut(before))
    new = [piece for piece in kept if isinstance(piece, str)]
    assert "".join(new).count("question") == 0
    assert any("And on Sunday?" in piece for piece in new)
    assert len(json.dumps(kept)) < len(now) / 10


def test_what_leans_on_pieces_that_are_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="not there"):
        whole([[3, 2]], ["one"])
