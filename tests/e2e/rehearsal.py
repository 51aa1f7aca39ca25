"""The whole way with real processes: what a Rasa user would start, and a customer's phone."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from connectors.wire import HEALTH_PATH
from local.parts import child_environ
from local.ports import free_port
from tests.e2e.gate import Trap, open_gate
from tests.e2e.processes import Process, Starter, as_typed, wait_until
from tests.fakes.model import FakeModel
from tests.pretend_business import ACCOUNT, BUSINESS, CUSTOMER, TOKEN, open_twilio, pretend_config
from tests.valkey import Valkey

ANSWER_SECONDS = 30.0


@dataclass
class Phone:
    """Phones of customers, all on one pretend Twilio."""

    url: str

    def texts(self, body: str, customer: str = CUSTOMER, media: int = 0, to: str = BUSINESS) -> int:
        """The customer texts; returns what the business answered Twilio."""
        picture = {"url": f"{self.url}/static/picture.png", "content_type": "image/png"}
        answer = httpx.post(
            f"{self.url}/phone/texts",
            json={"from": customer, "to": to, "body": body, "media": [picture] * media},
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
    # With gates: what they wait for, on all the wires of all Rasas.
    traps: list[Trap] = field(default_factory=list)

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
def rehearsal(
    model_url: str,
    folder: Path,
    rasas: int = 1,
    starter: Starter = as_typed,
    gated: bool = False,
    options: Sequence[str] = (),
    prepare: Callable[[str], object] = lambda phone_url: None,
    **settings: str,
) -> Iterator[Rehearsal]:
    """Everything started with plain commands; ended, whatever happens, at the end of the block.

    `gated`: every Rasa has gates before Valkey, Twilio and the action server, which kill it when
    one of `traps` springs.
    `options` are for `rasa run`; `prepare` gets the pretend Twilio's address before Rasa starts.
    """
    rasa_port, actions_port = free_port(), free_port()
    valkey = Valkey(free_port(), folder)
    with ExitStack() as stack:
        valkey.start()
        stack.callback(valkey.stop)
        phone_url = stack.enter_context(
            open_twilio(pretend_config(f"http://127.0.0.1:{rasa_port}"))
        )
        prepare(phone_url)
        found = {
            "TWILIO_API_BASE_URL": phone_url,
            "REDIS_URL": valkey.url,
            "SESSION_LOG_URL": f"sqlite:///{folder.absolute()}/session_log.db",
            "LLM_BASE_URL": model_url,
            "ACTIONS_PORT": str(actions_port),
        }
        environ = environ_of_business(rasa_port, **found | settings)
        actions = Process(
            ["rasa", "run", "actions", "-p", str(actions_port)],
            environ,
            f"http://127.0.0.1:{actions_port}/health",
            folder / "actions.log",
            starter,
        )
        business = Rehearsal(phone_url, valkey, [], actions, environ)
        for number, port in enumerate([rasa_port, *(free_port() for _ in range(rasas - 1))], 1):
            rasa = Process(
                ["rasa", "run", "-p", str(port), *options],
                environ,
                f"http://127.0.0.1:{port}{HEALTH_PATH}",
                folder / f"rasa-{number}.log",
                starter,
            )
            if gated:
                gates = gates_of(rasa, business.traps, stack)
                rasa.environ = {**environ, **gates}
            business.rasas.append(rasa)
        for process in (actions, *business.rasas):
            stack.callback(process.end)
            process.start()
        yield business


def environ_of_business(rasa_port: int, **settings: str) -> dict[str, str]:
    """What its processes are started with, where the settings say nothing else."""
    return child_environ(
        {
            **os.environ,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_NUMBERS": BUSINESS,
            "PUBLIC_URL": f"http://127.0.0.1:{rasa_port}",
            "REPLY_SETTLE_MS": "50",
            # Who texts the same all the time is a machine, elsewhere.
            "LIMIT_TEXTS_PER_MINUTE": "0",
            "LIMIT_TEXTS_PER_DAY": "0",
            "LIMIT_CUSTOMER_SEGMENTS_PER_MINUTE": "0",
            "LIMIT_CUSTOMER_SEGMENTS_PER_DAY": "0",
            **settings,
        }
    )


def gates_of(rasa: Process, traps: list[Trap], stack: ExitStack) -> dict[str, str]:
    """Gates on the three wires of one Rasa, and the settings that lead it through them."""

    def gate(target: str) -> int:
        port = urlsplit(target).port
        assert port is not None
        return stack.enter_context(open_gate(port, rasa.strike, traps)).port

    twilio = gate(rasa.environ["TWILIO_API_BASE_URL"])
    return {
        "REDIS_URL": f"redis://127.0.0.1:{gate(rasa.environ['REDIS_URL'])}/0",
        "TWILIO_API_BASE_URL": f"http://127.0.0.1:{twilio}",
        "ACTIONS_PORT": str(gate(f"http://127.0.0.1:{rasa.environ['ACTIONS_PORT']}")),
    }
