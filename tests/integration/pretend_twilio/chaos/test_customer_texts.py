"""Chaos mode, when customers text: several times, late, overtaken, lost."""

from __future__ import annotations

import queue
from datetime import datetime
from typing import Any

import pytest
from twilio.request_validator import RequestValidator

from tests.integration.pretend_twilio.chaos.rehearsal import (
    FRIEND,
    HELD,
    LATE_MS,
    Rehearsal,
    bodies,
)
from tests.pretend_business import BUSINESS, TOKEN, WAIT_S, Business, Post

pytestmark = pytest.mark.integration


def test_a_text_is_posted_several_times_at_once(business: Business, chaos: Rehearsal) -> None:
    business.open.clear()
    chaos.script(webhooks=[{"duplicate": 1, "copies": 3}])
    [thread] = chaos.texts("Hello?")
    posts = [business.texts.get(timeout=WAIT_S) for _ in range(3)]  # none waits for an answer
    assert len({post.form["MessageSid"] for post in posts}) == 1
    assert len({post.headers["i-twilio-idempotency-token"] for post in posts}) == 3
    signatures = [post.headers["x-twilio-signature"] for post in posts]
    assert RequestValidator(TOKEN).validate(posts[2].url, posts[2].form, signatures[2])
    business.open.set()
    thread.join()
    [entry] = chaos.ledger()["texts"]
    assert [post["status"] for post in entry["posts"]] == [204, 204, 204]
    assert entry["trouble"] == ["posted 3 times at once"]


def test_or_one_after_another(business: Business, chaos: Rehearsal) -> None:
    chaos.script(webhooks=[{"duplicate": 1, "together": 0}])
    business.open.clear()
    [thread] = chaos.texts("Hello?")
    business.texts.get(timeout=WAIT_S)
    with pytest.raises(queue.Empty):
        business.texts.get(timeout=0.2)
    business.open.set()
    business.texts.get(timeout=WAIT_S)
    thread.join()


def test_one_taken_copy_is_enough(business: Business, chaos: Rehearsal) -> None:
    answers = iter((503, 204))

    def answer(_: Post) -> None:
        business.status = next(answers)

    business.on_text = answer
    chaos.script(webhooks=[{"duplicate": 1, "together": 0}])
    assert chaos.text("Hello?")["answer"]["status"] == 204
    [entry] = chaos.ledger()["texts"]
    assert [post["status"] for post in entry["posts"]] == [503, 204]
    assert entry["taken"] is True


def waited_ms(chaos: Rehearsal) -> float:
    """From the only text to its post, as Twilio itself saw it."""
    [entry] = chaos.ledger()["texts"]
    created, posted = (
        datetime.fromisoformat(at) for at in (entry["created"], entry["posts"][0]["at"])
    )
    return (posted - created).total_seconds() * 1000 + 1


def test_a_late_text_is_late_by_no_less_and_no_more(chaos: Rehearsal) -> None:
    chaos.script(webhooks=[{"delay_ms": [LATE_MS, LATE_MS + 50]}])
    chaos.text("Hello?")
    assert LATE_MS <= waited_ms(chaos) < LATE_MS + 8000


def test_a_text_can_be_overtaken(business: Business, chaos: Rehearsal) -> None:
    chaos.script(webhooks=[HELD, HELD, "ok"])
    threads = chaos.texts("one", "two")
    chaos.text("from a friend, who overtakes nobody", FRIEND)
    assert bodies(business, 1) == ["from a friend, who overtakes nobody"]
    assert business.texts.empty()
    threads += chaos.texts("three")
    assert bodies(business, 3) == ["three", "two", "one"]
    for thread in threads:
        thread.join()


def test_a_text_that_nobody_overtakes_goes_after_a_while(
    business: Business, chaos: Rehearsal
) -> None:
    chaos.script(webhooks=[{"reorder": 1, "hold_ms": LATE_MS}])
    chaos.text("Hello?")
    assert bodies(business, 1) == ["Hello?"]
    assert LATE_MS <= waited_ms(chaos) < 2000  # which it would be, unless told otherwise
    assert chaos.text("And now?")["answer"]["taken"] is True


def test_a_lost_text_is_known_to_twilio_alone(
    business: Business, chaos: Rehearsal, twilio: Any
) -> None:
    chaos.script(webhooks=["lost"])
    assert chaos.text("Hello?")["answer"]["taken"] is False
    assert business.texts.empty()
    assert [m.direction for m in twilio.messages.list(to=BUSINESS)] == ["inbound"]
    assert chaos.ledger()["texts"][0]["posts"] == []
