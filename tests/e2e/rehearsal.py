"""The whole way with real processes: what a Rasa user would start, and a customer's phone."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from connectors.settings import ROOT
from connectors.wire import HEALTH_PATH
from local.parts import child_environ
from local.ports import free_port
from tests.fakes.model import FakeModel
from tests.pretend_business import ACCOUNT, BUSINESS, CUSTOMER, TOKEN, open_twilio, pretend_config
from tests.valkey import Valkey

START_SECONDS = 60.0
ANSWER_SECONDS = 30.0


def wait_until(is_so: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true answer. Fails with `what` did not happen."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := is_so():
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {seconds:.0f} s")


class Process:
    """One of ours, started as a user types it; its log is kept for when a test fails."""

    def __init__(
        self, words: list[str], environ: Mapping[str, str], health: str, log: Path
    ) -> None:
        self.words = words
        self.environ = environ
        self.health = health
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return once it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self.words],
                env=dict(self.environ),
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(self._answers, START_SECONDS, f"{' '.join(self.words)} (log: {self.log})")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"{self.words} ended:\n{self.log.read_text()[-3000:]}"
        try:
            return httpx.get(self.health, timeout=2, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code; 0 if it was not running."""
        if self._process is None:
            return 0
        self._process.send_signal(number)
        code = self._process.wait(20)
        self._process = None
        return code

    def text(self) -> str:
        return self.log.read_text()


@dataclass
class Phone:
    """Phones of customers, all on one pretend Twilio."""

    url: str

    def texts(self, body: str, customer: str = CUSTOMER, media: int = 0) -> int:
        """The customer texts; returns what the business answered Twilio."""
        picture = {"url": f"{self.url}/static/picture.png", "content_type": "image/png"}
        answer = httpx.post(
            f"{self.url}/phone/texts",
            json={"from": customer, "to": BUSINESS, "body": body, "media": [picture] * media},
            timeout=20,
            trust_env=False,
        )
        return int(answer.json()["answer"]["status"])

    def messages(self, customer: str = CUSTOMER) -> list[dict[str, Any]]:
        answer = httpx.get(
            f"{self.url}/phone/messages", params={"customer": customer}, trust_env=False
        )
        return list(answer.json()["messages"])

    def answers(self, count: int, customer: str = CUSTOMER) -> list[str]:
        """What the assistant said, once it said so much."""

        def enough() -> list[str]:
            said = [m["body"] for m in self.messages(customer) if m["direction"] == "outbound"]
            return said if len(said) >= count else []

        found: list[str] = wait_until(enough, ANSWER_SECONDS, f"answer {count}")
        return found


@dataclass
class Rehearsal(Phone):
    """A business on one machine: `rasa run`, `rasa run actions`, and what stands around them."""

    valkey: Valkey
    rasas: list[Process]
    actions: Process
    environ: Mapping[str, str] = field(repr=False)

    @property
    def rasa(self) -> Process:
        """The one that Twilio knows."""
        return self.rasas[0]


@contextmanager
def scripted_model() -> Iterator[FakeModel]:
    """A scripted model in a thread of its own, so that tests may wait for processes."""
    model, started, over = FakeModel(), threading.Event(), threading.Event()

    async def serve() -> None:
        async with model:
            started.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert started.wait(10), "the model did not start"
        yield model
    finally:
        over.set()
        thread.join(10)


@contextmanager
def rehearsal(model_url: str, folder: Path, rasas: int = 1, **settings: str) -> Iterator[Rehearsal]:
    """Everything started with plain commands; ended, whatever happens, at the end of the block."""
    rasa_port, actions_port = free_port(), free_port()
    valkey = Valkey(free_port(), folder)
    with ExitStack() as stack:
        valkey.start()
        stack.callback(valkey.stop)
        phone_url = stack.enter_context(
            open_twilio(pretend_config(f"http://127.0.0.1:{rasa_port}"))
        )
        environ = child_environ(
            {
                **os.environ,
                "TWILIO_ACCOUNT_SID": ACCOUNT,
                "TWILIO_AUTH_TOKEN": TOKEN,
                "TWILIO_NUMBERS": BUSINESS,
                "TWILIO_API_BASE_URL": phone_url,
                "PUBLIC_URL": f"http://127.0.0.1:{rasa_port}",
                "REDIS_URL": valkey.url,
                "LLM_BASE_URL": model_url,
                "ACTIONS_PORT": str(actions_port),
                "REPLY_SETTLE_MS": "50",
                **settings,
            }
        )
        actions = Process(
            ["rasa", "run", "actions", "-p", str(actions_port)],
            environ,
            f"http://127.0.0.1:{actions_port}/health",
            folder / "actions.log",
        )
        ports = [rasa_port, *(free_port() for _ in range(rasas - 1))]
        servers = [
            Process(
                ["rasa", "run", "-p", str(port)],
                environ,
                f"http://127.0.0.1:{port}{HEALTH_PATH}",
                folder / f"rasa-{number}.log",
            )
            for number, port in enumerate(ports, 1)
        ]
        for process in (actions, *servers):
            stack.callback(process.end)
            process.start()
        yield Rehearsal(phone_url, valkey, servers, actions, environ)
