"""A text in, an answer out: plain `rasa run` and `rasa run actions`, and what befalls them."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from connectors.settings import ROOT
from local.ports import free_port
from tests.e2e.processes import wait_until
from tests.e2e.rehearsal import Rehearsal, rehearsal, scripted_model
from tests.fakes.model import Fails, FakeModel, Hangs, Says

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

APOLOGY = "Sorry, I can't answer right now."


@pytest.fixture(scope="module")
def model() -> Iterator[FakeModel]:
    with scripted_model() as model:
        yield model


@pytest.fixture(scope="module")
def business(
    trained: None, model: FakeModel, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rehearsal]:
    with rehearsal(model.base_url, tmp_path_factory.mktemp("way")) as business:
        yield business


numbers = itertools.count(15550110000)


@pytest.fixture
def customer(model: FakeModel) -> str:
    """Somebody who never texted before; the model says OK and remembers nothing of others."""
    model.script = [Says("OK.")]
    model.requests.clear()
    return f"+{next(numbers)}"


def heard(model: FakeModel) -> list[str]:
    """What the model read last, without its instructions."""
    return [m["content"] for m in model.last_messages if m["role"] != "system"]


def test_the_model_answers_and_knows_what_was_said_before(
    business: Rehearsal, model: FakeModel, customer: str
) -> None:
    model.answers("Hello Ada, yes we do.", "Ada.")
    assert business.texts("Hi, I'm Ada. Do you repair bikes?", customer) == 204
    business.answers(1, customer)
    business.texts("What is my name?", customer)
    assert business.answers(2, customer) == ["Hello Ada, yes we do.", "Ada."]
    assert heard(model) == [
        "Hi, I'm Ada. Do you repair bikes?",
        "Hello Ada, yes we do.",
        "What is my name?",
    ]


def test_a_reply_is_reported_delivered(business: Rehearsal, customer: str) -> None:
    business.texts("hello", customer)
    business.answers(1, customer)
    wait_until(lambda: business.messages(customer)[-1]["status"] == "delivered", 10, "the delivery")
    sid = business.messages(customer)[-1]["sid"]
    store = redis.Redis.from_url(business.valkey.url, decode_responses=True)
    wait_until(lambda: store.hget(f"sms:message:{sid}", "status") == "delivered", 10, "the report")


def test_messages_renew_a_session_and_its_end_leaves_nothing(
    business: Rehearsal, model: FakeModel, customer: str
) -> None:
    store = redis.Redis.from_url(business.valkey.url, decode_responses=True)
    before = set(store.keys("session:*"))
    business.texts("My name is Ada.", customer)
    business.answers(1, customer)
    names = set(store.keys("session:*")) - before
    [session] = [name for name in names if name.count(":") == 1]
    assert names == {session, f"{session}:events", f"{session}:said"}
    for name in names:
        assert 86_390 <= store.ttl(name) <= 86_400
        store.expire(name, 1000)
    store.hgetall(session), store.lrange(f"{session}:events", 0, -1)
    assert {store.ttl(name) for name in names} == {1000}

    business.texts("Still there?", customer)
    business.answers(2, customer)
    assert len(heard(model)) == 3
    assert store.ttl(session) > 86_000

    first = store.hget(session, "id")
    for name in names:
        store.pexpire(name, 1)  # its time is up, and nobody says so
    store.zadd("sms:sessions", {session.partition(":")[2]: 1})
    wait_until(lambda: first in ended(store), 60, "the session's end on record")
    business.texts("What is my name?", customer)
    business.answers(3, customer)
    assert heard(model) == ["What is my name?"]
    assert store.hget(session, "id") != first


def ended(store: redis.Redis[str]) -> list[str]:
    """The sessions whose end is in the session log."""
    entries = store.xrange("sms:log")
    return [e["session"] for _, e in entries if e["kind"] == "session.ended"]


def test_a_long_answer_is_plain_text_and_its_rest_comes_without_the_model(
    business: Rehearsal, model: FakeModel, customer: str
) -> None:
    sentences = [f"This is sentence number {n}." for n in range(25)]
    model.answers(f"**Sure** – “here” it is. {' '.join(sentences)}")
    business.texts("Tell me all. My card is 4242 4242 4242 4242.", customer)
    [first] = business.answers(1, customer)
    assert first.startswith('Sure - "here" it is. This is')
    assert first.endswith(".\nReply MORE for the rest.")
    assert heard(model) == ["Tell me all. My card is [card number]."]
    business.texts("More!", customer)
    rest = business.answers(2, customer)[1]
    assert [each for each in sentences if each not in first + rest] == []
    assert len(model.requests) == 1


def test_a_rule_answers_without_the_model(
    business: Rehearsal, model: FakeModel, customer: str
) -> None:
    business.texts("Are you a bot?", customer)
    [answer] = business.answers(1, customer)
    assert "automated assistant" in answer
    assert model.requests == []


@pytest.mark.parametrize("text", ["/restart", "/session_start", '/send_media{"a": "b"}', "/"])
def test_a_text_that_begins_with_a_slash_is_a_text(
    business: Rehearsal, model: FakeModel, customer: str, text: str
) -> None:
    business.texts("My name is Ada.", customer)
    business.answers(1, customer)
    business.texts(text, customer)
    assert business.answers(2, customer) == ["OK.", "OK."]
    assert heard(model) == ["My name is Ada.", "OK.", text]


def test_a_picture_without_words_gets_an_honest_sentence(
    business: Rehearsal, model: FakeModel, customer: str
) -> None:
    assert business.texts("", customer, media=1) == 204
    [answer] = business.answers(1, customer)
    assert "can't see pictures" in answer
    assert model.requests == []


def test_a_burst_gets_one_answer(business: Rehearsal, model: FakeModel, customer: str) -> None:
    model.script = [Says("To the first.", seconds=6)]
    business.texts("first", customer)
    wait_until(lambda: model.requests, 20, "the question to the model")
    model.script = [Says("To all of it: yes.")]
    for text in ("second", "third", "fourth"):
        business.texts(text, customer)
    assert business.answers(2, customer)[1] == "To all of it: yes."
    assert "second\nthird\nfourth" in heard(model)[-1]
    assert len(business.answers(2, customer)) == 2


def test_a_failing_model_gets_the_customer_a_plain_sentence(
    business: Rehearsal, model: FakeModel, customer: str
) -> None:
    model.script = [Fails(500)]
    business.texts("hello", customer)
    [answer] = business.answers(1, customer)
    assert answer.startswith(APOLOGY)
    assert "server_error" in business.actions.text()
    model.script = [Says("Here I am again.")]
    business.texts("and now?", customer)
    assert business.answers(2, customer)[1] == "Here I am again."


def test_texts_are_answered_in_their_order(
    business: Rehearsal, model: FakeModel, customer: str
) -> None:
    for number, text in enumerate(["one", "two", "three"], 1):
        model.answers(f"The answer to {text}.")
        business.texts(text, customer)
        business.answers(number, customer)
    assert business.answers(3, customer) == [f"The answer to {n}." for n in ("one", "two", "three")]


def test_a_killed_action_server_costs_time_and_no_answer(
    business: Rehearsal, model: FakeModel, customer: str
) -> None:
    business.actions.end(signal.SIGKILL)
    assert business.texts("hello", customer) == 204
    wait_until(lambda: "inbox.failed" in business.rasa.text(), 20, "the failed turn")
    business.actions.start()
    assert business.answers(1, customer) == ["OK."]
    assert len(model.requests) == 1


def test_rasa_killed_in_the_middle_of_a_turn_answers_after_its_return(
    business: Rehearsal, model: FakeModel, customer: str
) -> None:
    model.script = [Hangs()]
    assert business.texts("hello", customer) == 204
    wait_until(lambda: model.requests, 20, "the question to the model")
    business.rasa.end(signal.SIGKILL)
    model.script = [Says("Sorry for the wait.")]
    business.rasa.start()
    assert business.answers(1, customer) == ["Sorry for the wait."]
    business.texts("thanks", customer)
    business.answers(2, customer)
    assert len([m for m in business.messages(customer) if m["direction"] == "outbound"]) == 2


def test_a_restart_of_redis_needs_no_restart_of_rasa(business: Rehearsal, customer: str) -> None:
    business.texts("before", customer)
    business.answers(1, customer)
    business.valkey.stop()
    assert business.texts("while Redis is away", customer) == 503
    business.valkey.start()
    assert business.texts("after", customer) == 204
    assert len(business.answers(2, customer)) == 2


def test_logs_show_no_number_and_no_word_of_a_customer(business: Rehearsal, customer: str) -> None:
    business.texts("a secret of mine", customer)
    business.answers(1, customer)
    for process in (business.rasa, business.actions):
        assert customer not in process.text()
        assert customer[1:] not in process.text()
        assert "a secret of mine" not in process.text()


def test_rasa_stops_cleanly_and_keeps_what_it_could_not_answer(
    business: Rehearsal, model: FakeModel, customer: str
) -> None:
    model.script = [Hangs()]
    business.texts("hello", customer)
    wait_until(lambda: model.requests, 20, "the question to the model")
    assert business.rasa.end(signal.SIGTERM) == 0
    model.script = [Says("Good morning.")]
    business.rasa.start()
    assert business.answers(1, customer) == ["Good morning."]


def test_a_tracker_store_that_cannot_be_imported_stops_the_start(
    business: Rehearsal, tmp_path: Path
) -> None:
    endpoints = tmp_path / "endpoints.yml"
    endpoints.write_text("tracker_store:\n  type: connectors.session_stor.SessionStore\n")
    words = ["rasa", "run", "-p", str(free_port()), "--endpoints", str(endpoints)]
    ended = subprocess.run(
        [sys.executable, "-m", *words],
        env=dict(business.environ),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert "connectors.session_store.SessionStore" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_bad_settings_stop_the_start_with_one_message(business: Rehearsal) -> None:
    bad = {"REPLY_SETTLE_MS": "soon", "PUBLIC_URL": "sms.example.com"}
    started = [
        subprocess.Popen(
            [sys.executable, "-m", *words],
            env={**business.environ, **bad},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for words in (["rasa", "run"], ["rasa", "run", "actions"])
    ]
    for process in started:
        said, _ = process.communicate(timeout=90)
        assert process.returncode == 1
        assert all(name in said for name in bad)
        assert "Traceback" not in said
