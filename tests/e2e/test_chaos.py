"""Whatever breaks: every acknowledged text has exactly one answer, and answers keep their order.

Real processes, the pretend Twilio's chaos mode, kills by signal. Every storm prints its seed;
SEED=... repeats them.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.chaos import HEADER, Storm, Verdict
from tests.e2e.rehearsal import Rehearsal, rehearsal, scripted_model, wait_until
from tests.fakes.model import FakeModel, Says

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 10**6)

MESSAGES = {"429": 0.1, "500": 0.1, "500 after": 0.1, "cut": 0.1, "cut after": 0.1}
WEBHOOKS = {"duplicate": 0.5, "delay_ms": [0, 200]}
CALLBACKS = {"duplicate": 0.3, "late": 0.2, "reorder": 0.2, "delay_ms": [100, 1000]}


@pytest.fixture(scope="module")
def model() -> Iterator[FakeModel]:
    with scripted_model() as model:
        model.script = [Says("Answer {n}.", seconds=0.2)]
        yield model


@pytest.fixture(scope="module")
def business(
    trained: None, model: FakeModel, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rehearsal]:
    """Two Rasa processes on one Redis; Twilio knows the first one."""
    with rehearsal(model.base_url, tmp_path_factory.mktemp("chaos"), rasas=2) as business:
        yield business


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[list[Verdict]]:
    """All verdicts, printed in the end, also when every test has passed."""
    verdicts: list[Verdict] = []
    yield verdicts
    capture: Any = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n\nseed {SEED}\n{HEADER}")
        for verdict in verdicts:
            print(verdict.row())


class Meanwhile:
    """Does something every now and then, in a thread, for as long as the block lasts."""

    def __init__(self, storm: Storm, trouble: Callable[[Storm], str] | None) -> None:
        self.storm = storm
        self.trouble = trouble
        self.over = threading.Event()
        self.done: dict[str, int] = {}
        self.thread = threading.Thread(target=self._go_on)

    @property
    def blows(self) -> int:
        return sum(self.done.values())

    def __enter__(self) -> Meanwhile:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def _go_on(self) -> None:
        while self.trouble and not self.over.wait(self.storm.luck.uniform(0.3, 2.5)):
            what = self.trouble(self.storm)
            self.done[what] = self.done.get(what, 0) + 1


def kill_a_rasa(storm: Storm) -> str:
    victim = storm.luck.choice(storm.business.rasas)
    victim.end(signal.SIGKILL)
    victim.start()
    return "kill -9 of Rasa"


def stop_a_rasa(storm: Storm) -> str:
    victim = storm.luck.choice(storm.business.rasas)
    victim.end(signal.SIGTERM)
    victim.start()
    return "stop of Rasa"


def kill_valkey(storm: Storm) -> str:
    storm.business.valkey.stop()
    time.sleep(storm.luck.uniform(0, 1))
    storm.business.valkey.start()
    return "kill -9 of Valkey"


def freeze_valkey(storm: Storm) -> str:
    storm.business.valkey.freeze()
    time.sleep(storm.luck.uniform(0.5, 2))
    storm.business.valkey.thaw()
    return "freeze of Valkey"


def kill_the_actions(storm: Storm) -> str:
    storm.business.actions.end(signal.SIGKILL)
    storm.business.actions.start()
    return "kill -9 of the action server"


def any_of_it(storm: Storm) -> str:
    kinds = [kill_a_rasa, stop_a_rasa, kill_valkey, freeze_valkey, kill_the_actions]
    return storm.luck.choice(kinds)(storm)


STORMS: dict[str, tuple[dict[str, Any], Callable[[Storm], str] | None]] = {
    "calm": ({}, None),
    "webhooks three times and more, at once, late": ({"webhooks": WEBHOOKS}, None),
    "Twilio fails before or after taking a message": ({"messages": MESSAGES}, None),
    "delivery reports late, twice, out of order": ({"callbacks": CALLBACKS}, None),
    "Rasa killed, one of two": ({}, kill_a_rasa),
    "Rasa stopped, one of two": ({}, stop_a_rasa),
    "Valkey killed": ({}, kill_valkey),
    "Valkey frozen": ({}, freeze_valkey),
    "action server killed": ({}, kill_the_actions),
    "all of it together": (
        {"webhooks": WEBHOOKS, "messages": MESSAGES, "callbacks": CALLBACKS},
        any_of_it,
    ),
}
ROUNDS = 6
BLOWS = 3


@pytest.mark.parametrize("trouble", STORMS)
def test_every_acknowledged_text_is_answered_once_and_in_order(
    business: Rehearsal, table: list[Verdict], trouble: str
) -> None:
    odds, damage = STORMS[trouble]
    texts: list[dict[str, Any]] = []
    with Storm(business, trouble, SEED + list(STORMS).index(trouble)) as storm:
        storm.begin(odds)
        with Meanwhile(storm, damage) as meanwhile:
            rounds = 0
            while rounds < ROUNDS or (damage and meanwhile.blows < BLOWS):
                texts += storm.load(customers=6, copies=3)
                rounds += 1
                time.sleep(storm.luck.uniform(0.1, 0.9))
        storm.settled()
        verdict = storm.verdict(texts)
    verdict.done.update(meanwhile.done)
    table.append(verdict)
    assert verdict.clean, f"seed {SEED}: {verdict}"
    assert verdict.answered == verdict.texts


@pytest.mark.parametrize("when", ["hang after", "cut after", "500 after", "hang"])
def test_a_kill_between_the_request_and_its_note(business: Rehearsal, when: str) -> None:
    """Twilio has the message, or has not, and who asked is dead."""
    with Storm(business, f"killed at {when}", SEED + sum(map(ord, when))) as storm:
        storm.begin({})
        storm.http.post("/chaos/script", json={"messages": [when]}).raise_for_status()
        asked = storm.http.get("/chaos").json()["script"]
        customer = storm.customer(0)
        assert business.texts("hello", customer) == 204
        wait_until(lambda: storm.http.get("/chaos").json()["script"] != asked, 20, "the request")
        for rasa in business.rasas:
            rasa.end(signal.SIGKILL)
        for rasa in business.rasas:
            rasa.start()
        storm.settled()
        assert len(business.answers(1, customer)) == 1
