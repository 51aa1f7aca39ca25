"""Many texts at once, and the ledger that says what became of each."""

from __future__ import annotations

import itertools
import queue
import threading
from collections import Counter
from typing import Any

import pytest

from local.ports import free_port
from tests.integration.pretend_twilio.callers import send
from tests.integration.pretend_twilio.chaos.rehearsal import (
    FRIEND,
    Rehearsal,
    bodies,
    callback,
    states,
    text,
    until,
)
from tests.pretend_business import (
    BUSINESS,
    CUSTOMER,
    SECOND_BUSINESS,
    WAIT_S,
    Business,
    open_business,
    open_twilio,
    pretend_config,
)

pytestmark = pytest.mark.integration


def test_hundreds_of_texts_three_times_each(business: Business, chaos: Rehearsal) -> None:
    customers = [f"+1555020{n:04}" for n in range(100)]
    texts = [text(f"text {n}", customers[n % 100]) for n in range(400)]
    entries = chaos.load(texts, copies=3, concurrency=50)
    assert [entry["body"] for entry in entries] == [f"text {n}" for n in range(400)]
    assert all([p["status"] for p in entry["posts"]] == [204] * 3 for entry in entries)
    sids = Counter(business.texts.get_nowait().form["MessageSid"] for _ in range(1200))
    assert business.texts.empty()
    assert sids == dict.fromkeys((entry["sid"] for entry in entries), 3)
    ledger = chaos.ledger()
    assert {entry["sid"]: entry for entry in ledger["texts"]} == {e["sid"]: e for e in entries}


def test_no_more_at_a_time_than_was_asked_for(business: Business, chaos: Rehearsal) -> None:
    business.open.clear()
    loading = threading.Thread(
        target=chaos.load, args=([text(str(n)) for n in range(9)],), kwargs={"concurrency": 4}
    )
    loading.start()
    bodies(business, 4)
    with pytest.raises(queue.Empty):
        business.texts.get(timeout=0.2)
    business.open.set()
    bodies(business, 5)
    loading.join()


def test_a_customers_texts_can_be_kept_in_order(business: Business, chaos: Rehearsal) -> None:
    told = [text(str(n), sender) for n, sender in itertools.product(range(20), (CUSTOMER, FRIEND))]
    chaos.set(seed=7, webhooks={"delay_ms": [0, 20]})
    chaos.load(told, in_order=True)
    posts = [business.texts.get_nowait().form for _ in told]
    for customer in (CUSTOMER, FRIEND):
        assert [p["Body"] for p in posts if p["From"] == customer] == [str(n) for n in range(20)]


def test_without_being_asked_twilio_posts_nothing_again(
    business: Business, chaos: Rehearsal
) -> None:
    business.status = 503
    [entry] = chaos.load([text("Hello?")])
    assert (entry["taken"], [p["status"] for p in entry["posts"]]) == (False, [503])


def test_a_business_that_was_away_is_asked_again() -> None:
    port = free_port()
    with open_twilio(pretend_config(f"http://127.0.0.1:{port}")) as url:
        chaos = Rehearsal(url)
        loaded: list[dict[str, Any]] = []
        loading = threading.Thread(
            target=lambda: loaded.extend(chaos.load([text("Hello?")], retry_for_s=WAIT_S))
        )
        loading.start()
        until(lambda: any(p["code"] for t in chaos.ledger()["texts"] for p in t["posts"]))
        with open_business(Business(status=503), port) as business:
            assert bodies(business, 1) == ["Hello?"]
            business.status = 204
            loading.join()
    [entry] = loaded
    statuses = [post["status"] for post in entry["posts"]]
    assert statuses[0] is None
    assert statuses[-2:] == [503, 204]
    assert entry["taken"] is True


def test_a_text_that_the_business_will_never_take_is_not_tried_again(
    business: Business, chaos: Rehearsal
) -> None:
    business.status = 403
    [entry] = chaos.load([text("Hello?")], retry_for_s=WAIT_S)
    assert [post["status"] for post in entry["posts"]] == [403]


def test_the_ledger_has_both_directions_and_can_be_narrowed(
    business: Business, chaos: Rehearsal, twilio: Any
) -> None:
    chaos.text("Hello?")
    chaos.text("Good evening", FRIEND)
    chaos.text("HELP")  # Twilio's own answer to it was sent by no business
    send(twilio, "Good morning", status_callback=callback(business))
    states(business, 3)
    until(lambda: all(r["answered"] for r in chaos.ledger()["messages"][0]["reports"]))
    ledger = chaos.ledger(customer=CUSTOMER)
    assert [t["body"] for t in ledger["texts"]] == ["Hello?", "HELP"]
    [message] = ledger["messages"]
    assert (message["from"], message["to"]) == (BUSINESS, CUSTOMER)
    assert (message["body"], message["status"]) == ("Good morning", "delivered")
    assert [(r["of"], r["status"]) for r in message["reports"]] == [
        ("sending", 204),
        ("sent", 204),
        ("delivered", 204),
    ]
    assert chaos.ledger(number=SECOND_BUSINESS) == {"texts": [], "messages": []}
    assert len(chaos.ledger(number=BUSINESS)["texts"]) == 3


def test_a_text_that_is_not_answered_yet_is_in_the_ledger(
    business: Business, chaos: Rehearsal
) -> None:
    business.open.clear()
    [thread] = chaos.texts("Hello?")
    business.texts.get(timeout=WAIT_S)
    [entry] = chaos.ledger()["texts"]
    assert (entry["taken"], entry["posts"][0]["answered"]) == (False, None)
    business.open.set()
    thread.join()
    assert chaos.ledger()["texts"][0]["posts"][0]["answered"] is not None
