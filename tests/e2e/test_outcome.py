"""The verdict itself: it tells what was lost, doubled or out of order from what was not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.outcome import Outcome, token

pytestmark = pytest.mark.e2e

A, B, C = token(0), token(1), token(2)


def at(second: int) -> str:
    return f"2026-01-01T00:00:{second:02}.000+00:00"


def text(name: str, second: int, status: int = 204) -> dict[str, Any]:
    post = {"at": at(second), "answered": at(second), "status": status}
    return {"sid": f"SM-{name}", "body": f"text {name}", "taken": status == 204, "posts": [post]}


def message(body: str, second: int, status: str = "delivered") -> dict[str, Any]:
    return {"body": body, "created": at(second), "status": status}


def heard(texts: list[dict[str, Any]], messages: list[dict[str, Any]]) -> Outcome:
    outcome = Outcome("a fault")
    outcome.hear({"texts": texts, "messages": messages})
    return outcome


TEXTS = [text(A, 1), text(B, 2), text(C, 3)]


def test_one_answer_may_answer_several() -> None:
    assert heard(TEXTS, [message(f"re: {A} {B}", 4), message(f"re: {C}", 5)]).clean


def test_what_nobody_took_is_not_lost() -> None:
    outcome = heard([text(A, 1, status=503)], [])
    assert outcome.clean
    assert not outcome.acknowledged
    assert len(outcome.refused) == 1


def test_no_answer_and_one_that_failed_are_a_loss() -> None:
    outcome = heard(TEXTS, [message(f"re: {A}", 4), message(f"re: {B}", 4, status="failed")])
    assert outcome.lost == [B, C]


def test_an_apology_answers_what_came_before_it() -> None:
    assert heard(TEXTS, [message(f"re: {A} {B}", 2), message("Sorry.", 2)]).lost == [C]


def test_a_dead_letter_is_no_silent_loss() -> None:
    outcome = heard(TEXTS, [message(f"re: {A}", 4)])
    outcome.set_aside({f"SM-{B}"})
    assert (outcome.dead_letters, outcome.lost) == ([B], [C])


def test_two_answers_and_a_late_one_are_told() -> None:
    answers = [message(f"re: {B}", 4), message(f"re: {A} {C}", 5), message(f"re: {B}", 6)]
    outcome = heard(TEXTS, answers)
    assert (outcome.doubled, outcome.out_of_order) == ([B], [A])
