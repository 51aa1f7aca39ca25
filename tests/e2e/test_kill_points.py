"""kill -9 at every step of a text's way, to the very moment: nobody notices.

A gate on the wire holds the request (or its answer) at which the process shall die, and kills it.
"""

from __future__ import annotations

import signal
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from connectors import keys
from connectors.ids import conversation_id
from connectors.store import _SCRIPTS
from tests.e2e import sabotage
from tests.e2e.chaos import Storm
from tests.e2e.gate import Trap
from tests.e2e.processes import Forked, Starter, comes_true, forked_with
from tests.e2e.rehearsal import Rehearsal, rehearsal, scripted_model
from tests.e2e.verdict import Verdict
from tests.fakes.model import Says
from tests.pretend_business import BUSINESS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

# What happens, the atomic step or the request that does it, and when the process dies.
POINTS = (
    ("the text is not kept yet", "accept", "before"),
    ("the text is kept, Twilio has no 204", "accept", "after"),
    ("the turn is claimed, nothing else", "claim", "after"),
    ("in the model call", "action", "during"),
    ("the model has answered, Rasa does not know", "action", "after"),
    ("between model and commit", "commit", "before"),
    ("committed, Rasa does not know", "commit", "after"),
    ("the part is claimed, not marked", "mark", "before"),
    ("marked, Twilio not asked yet", "mark", "after"),
    ("the request to Twilio never arrives", "create", "before"),
    ("Twilio has it, nobody heard of it", "create", "after"),
    ("Twilio's SID is not noted", "settle", "before"),
    ("the SID is noted, the sender does not know", "settle", "after"),
    ("a delivery report comes, and is not noted", "report", "before"),
    ("a delivery report is noted, Twilio has no 204", "report", "after"),
)


ROUNDS = 5


def trap(step: str, when: str, customer: str, storm: Storm, **more: Any) -> Trap:
    """Where a step is on the wires of Rasa, for one customer."""
    conversation = conversation_id(str(storm.redis.get(keys.ID_KEY)), BUSINESS, customer).encode()
    if step == "create":
        marks = (f"To=%2B{customer[1:]}".encode(), b"StatusCallback=")
        return Trap(step, when, marks, **more)
    if step == "action":
        return Trap(step, when, (conversation, b"action_llm_reply"), **more)
    script: Any = storm.redis.register_script(_SCRIPTS[step])
    storm.redis.execute_command("SCRIPT LOAD", script.script)  # its first answer shall be one
    sha = script.sha.encode()
    if step == "claim":
        return Trap(step, when, (sha, b"sms:inbox:of:"), answered=conversation, **more)
    if step == "commit":  # known by its words: the sabotaged one is another script
        return Trap(step, when, (conversation, b'"most_letters"'), **more)
    return Trap(step, when, (sha, conversation), **more)


@pytest.fixture(scope="module")
def business(trained: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    folder = tmp_path_factory.mktemp("kills")
    with scripted_model() as model:
        model.script = [Says("Answer {n}.", seconds=0.1)]
        with rehearsal(model.base_url, folder, rasas=2, starter=Forked, gated=True) as business:
            yield business


@pytest.fixture
def storm(business: Rehearsal, seed: int, request: pytest.FixtureRequest) -> Iterator[Storm]:
    """Calm, and known to Redis; no trap is left behind."""
    with Storm(business, request.node.name, seed + zlib.crc32(request.node.name.encode())) as storm:
        storm.begin({})
        storm.send(hello([storm.customer(99)]))
        yield storm
        business.traps.clear()


def hello(customers: Iterable[str]) -> list[dict[str, str]]:
    return [{"from": customer, "to": BUSINESS, "body": "hello"} for customer in customers]


@contextmanager
def resurrection(business: Rehearsal) -> Iterator[None]:
    """Whoever was killed is started again, for as long as the block lasts."""
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(0.05):
            for rasa in business.rasas:
                if rasa.is_dead:
                    rasa.launch()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_kill_at_any_step_loses_and_doubles_nothing(
    business: Rehearsal, storm: Storm, table: list[Verdict]
) -> None:
    customers = {name: storm.customer(n) for n, (name, *_) in enumerate(POINTS)}
    traps = {name: trap(step, when, customers[name], storm) for name, step, when in POINTS}

    def waiting() -> list[str]:
        return [name for name, each in traps.items() if not each.sprung.is_set()]

    business.traps[:] = traps.values()
    texts: list[dict[str, Any]] = []
    with resurrection(business):
        for _ in range(ROUNDS):
            # A delivery report for somebody who is dead is lost: then another one must do.
            texts += storm.send(hello(customers[name] for name in waiting()))
            if comes_true(lambda: not waiting(), 20):
                break
        never = waiting()
        business.traps.clear()
        texts += storm.send(hello(customers.values()))
        storm.settled()
    assert not never, f"{storm}: it never came to this"
    for name, customer in customers.items():
        own = [text for text in texts if text["from"] == customer]
        table.append(storm.verdict(own, f"killed: {name}"))
    assert all(verdict.clean for verdict in table[-len(POINTS) :]), str(storm)


def test_who_stood_still_for_longer_than_its_lease_commits_nothing(
    business: Rehearsal, storm: Storm, table: list[Verdict]
) -> None:
    table.append(stand_still(business, storm))
    assert table[-1].clean, str(storm)


def test_a_connection_that_the_action_server_drops_costs_nothing(
    business: Rehearsal, storm: Storm, table: list[Verdict]
) -> None:
    """Who closes a kept connection just when Rasa uses it again: stock Rasa loses that turn."""
    cut = trap("action", "cut", storm.customer(0), storm)
    business.traps.append(cut)
    texts = storm.send(hello([storm.customer(0)]))
    storm.settled()
    assert cut.sprung.is_set()
    table.append(storm.verdict(texts, "the action server drops a kept connection"))
    assert table[-1].clean, str(storm)
    [answer] = business.answers(1, storm.customer(0))
    assert answer.startswith("Answer ")


def stand_still(business: Rehearsal, storm: Storm) -> Verdict:
    """A Rasa is stopped with its commit on the wire; another one takes over and answers."""
    stop = trap("commit", "before", storm.customer(0), storm, signal=signal.SIGSTOP)
    business.traps.append(stop)
    texts = storm.send(hello([storm.customer(0)]))
    assert stop.sprung.wait(20)
    business.answers(1, storm.customer(0))
    stop.go_on.set()
    for rasa in business.rasas:
        rasa.strike(signal.SIGCONT)
    storm.settled()
    return storm.verdict(texts, "stopped with the commit on the wire, for longer than its lease")


def texts_three_times(business: Rehearsal, storm: Storm) -> Verdict:
    texts = storm.send(hello(storm.customer(n) for n in range(5)), copies=3)
    storm.settled()
    return storm.verdict(texts)


def an_answer_that_fails_after(business: Rehearsal, storm: Storm) -> Verdict:
    storm.http.post("/chaos/script", json={"messages": ["500 after"]}).raise_for_status()
    texts = storm.send(hello([storm.customer(0)]))
    storm.settled()
    return storm.verdict(texts)


def a_kill_when_twilio_has_it(business: Rehearsal, storm: Storm) -> Verdict:
    taken = trap("create", "after", storm.customer(0), storm)
    business.traps.append(taken)
    with resurrection(business):
        texts = storm.send(hello([storm.customer(0)]))
        assert taken.sprung.wait(20)
        storm.settled()
    return storm.verdict(texts)


# A protection that is missing, and the trouble that it protects from.
SABOTAGE = (
    (sabotage.accept_takes_everything_for_new, texts_three_times),
    (sabotage.nothing_is_found_at_twilio, an_answer_that_fails_after),
    (sabotage.commit_asks_for_no_fence, stand_still),
    (sabotage.twilio_is_asked_without_a_note, a_kill_when_twilio_has_it),
)


@pytest.mark.parametrize(("missing", "trouble"), SABOTAGE)
def test_the_verdict_is_red_when_a_protection_is_missing(
    business: Rehearsal,
    storm: Storm,
    missing: Callable[[], None],
    trouble: Callable[[Rehearsal, Storm], Verdict],
) -> None:
    with broken(business, missing.__name__):
        verdict = trouble(business, storm)
    assert verdict.doubled, f"{storm}: {verdict}"


@contextmanager
def broken(business: Rehearsal, sabotage: str) -> Iterator[None]:
    restart(business, forked_with(sabotage))
    try:
        yield
    finally:
        restart(business, Forked)


def restart(business: Rehearsal, starter: Starter) -> None:
    for rasa in business.rasas:
        rasa.end(signal.SIGKILL)
        rasa.starter = starter
        rasa.start()
