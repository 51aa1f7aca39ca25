"""A session's events become what a model reads: what counts, and what fits."""

from __future__ import annotations

from typing import Any

from actions.conversation import ChatMessage, conversation, fitted
from tests.unit.events import action, bot, user


def said(*events: Any) -> list[str]:
    return [f"{m['role'][0]}: {m['content']}" for m in conversation(events)]


def test_only_the_session_that_is_open_counts() -> None:
    assert said(user("old"), bot("older"), {"event": "session_started"}, user("new")) == ["u: new"]
    assert said(user("old"), {"event": "restart"}, user("new")) == ["u: new"]


def test_a_reverted_text_was_never_said() -> None:
    rewind = {"event": "rewind"}
    events = [user("a"), bot("b"), user("c"), action("action_default_fallback"), bot("d"), rewind]
    assert said(*events, user("e")) == ["u: a", "a: b", "u: e"]
    assert said(rewind, rewind, user("x")) == ["u: x"]


def test_a_reverted_action_said_nothing() -> None:
    assert said(user("a"), action("utter_x"), bot("b"), {"event": "undo"}, user("c")) == ["u: a\nc"]


def test_customer_and_assistant_take_turns() -> None:
    events = [bot("welcome"), user("a"), user("b"), bot("c"), bot("d"), user("e"), bot("late")]
    assert said(*events) == ["u: a\nb", "a: c\nd", "u: e"]


def test_texts_that_are_none_are_skipped() -> None:
    odd: list[Any] = [user(None), user("  "), bot(None), user(5), bot("x", data=[]), "user", None]
    assert said(user("a"), *odd, user("b")) == ["u: a", "a: x", "u: b"]


def test_buttons_are_read_as_offered() -> None:
    buttons = [{"title": "Yes", "payload": "/yes"}, {"payload": "/no"}, None, {"title": None}]
    events = [user("a"), bot("Which?", data={"buttons": buttons}), user("Yes")]
    assert said(*events) == ["u: a", "a: Which?\n1. Yes", "u: Yes"]


def test_what_the_channel_notes_beside_a_text_is_not_read_twice() -> None:
    assert said(user("a\nb", metadata={"texts": [{"body": "a"}, {"body": "b"}]})) == ["u: a\nb"]


def talk(turns: int) -> list[ChatMessage]:
    events: list[dict[str, Any]] = []
    for n in range(turns):
        events += [user(f"question {n:04} " + "x" * 100), bot(f"answer {n:04} " + "y" * 100)]
    return conversation([*events, user("the last question")])


def test_the_oldest_are_dropped_first() -> None:
    kept = fitted(talk(100), 1000)
    assert kept == talk(100)[-len(kept) :]
    assert 8 <= len(kept) < 30
    assert kept[0]["role"] == "user"
    assert kept[-1]["content"] == "the last question"


def test_a_short_conversation_is_kept_whole() -> None:
    assert fitted(talk(3), 1000) == talk(3)
    assert fitted([], 1000) == []


def test_what_the_model_reads_begins_the_same_for_many_turns() -> None:
    """So that the server need not compute it anew."""
    beginnings = [fitted(talk(turns), 1000)[0]["content"] for turns in range(50, 90)]
    assert len(set(beginnings)) < 12


def test_of_one_huge_text_the_end_is_read() -> None:
    huge = conversation([user("a"), bot("b"), user("é" * 10_000 + " the end")])
    [kept] = fitted(huge, 100)
    assert kept["content"].endswith("é the end")
    assert len(kept["content"].encode()) <= 300
