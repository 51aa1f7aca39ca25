"""What befalls the processes of a business in a storm; each says what it did."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping

from tests.e2e.chaos import Storm
from tests.e2e.verdict import Verdict

Blow = Callable[[Storm], str]


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


def kill_a_process(storm: Storm) -> str:
    """Any that runs our code; the next blow does not wait until it is back."""
    # All turns need the one action server; it shall be up for most of the time.
    victim = storm.luck.choice([*storm.business.rasas * 2, storm.business.actions])
    victim.end(signal.SIGKILL)
    victim.launch()
    return "kills of Rasa and the action server"


def any_of_it(storm: Storm) -> str:
    kinds = [kill_a_rasa, stop_a_rasa, kill_valkey, freeze_valkey, kill_the_actions]
    return storm.luck.choice(kinds)(storm)


class Meanwhile:
    """Strikes every now and then, in a thread, for as long as the block lasts."""

    def __init__(
        self, storm: Storm, blow: Blow | None, every: tuple[float, float] = (0.3, 2.0)
    ) -> None:
        self.storm = storm
        self.blow = blow
        self.every = every
        self.done: Counter[str] = Counter()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on)

    @property
    def blows(self) -> int:
        return self.done.total()

    def __enter__(self) -> Meanwhile:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _go_on(self) -> None:
        while self.blow and not self._over.wait(self.storm.luck.uniform(*self.every)):
            self.done[self.blow(self.storm)] += 1


def rage(
    storm: Storm, odds: Mapping[str, object], blow: Blow | None, rounds: int, blows: int
) -> Verdict:
    """So many rounds of texts, and more until there were so many blows."""
    texts = []
    storm.begin(odds)
    with Meanwhile(storm, blow) as meanwhile:
        round_ = 0
        while round_ < rounds or (blow and meanwhile.blows < blows):
            texts += storm.load(customers=6, copies=3)
            round_ += 1
            time.sleep(storm.luck.uniform(0.1, 0.7))
    storm.settled()
    done = storm.what_was_done()
    verdict = storm.verdict(texts)
    verdict.done.update(done, **meanwhile.done)
    return verdict


MESSAGES = {"429": 0.1, "500": 0.1, "500 after": 0.1, "cut": 0.1, "cut after": 0.1}
LOOKUPS = {"429": 0.15, "500": 0.15, "cut": 0.15, "hang": 0.03}
WEBHOOKS = {"duplicate": 0.5, "delay_ms": [0, 200]}
CALLBACKS = {"duplicate": 0.3, "late": 0.2, "reorder": 0.2, "delay_ms": [100, 1000]}

# What Twilio does, and what is done to us meanwhile.
STORMS: dict[str, tuple[dict[str, object], Blow | None]] = {
    "calm": ({}, None),
    "webhooks three times and more, at once, late": ({"webhooks": WEBHOOKS}, None),
    "Twilio fails, also when asked what it has taken": (
        {"messages": MESSAGES, "lookups": LOOKUPS},
        None,
    ),
    "delivery reports late, twice, out of order": ({"callbacks": CALLBACKS}, None),
    "Rasa killed, one of two": ({}, kill_a_rasa),
    "Rasa stopped, one of two": ({}, stop_a_rasa),
    "Valkey killed": ({}, kill_valkey),
    "Valkey frozen": ({}, freeze_valkey),
    "action server killed": ({}, kill_the_actions),
    "all of it together": (
        {"webhooks": WEBHOOKS, "messages": MESSAGES, "lookups": LOOKUPS, "callbacks": CALLBACKS},
        any_of_it,
    ),
}
