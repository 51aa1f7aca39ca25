"""The embedded model, in a process of its own, as `make run` starts it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

import httpx
import pytest

from actions.assistants import turn_at
from actions.llm_reply import ReplyWriter
from connectors.assistants import Assistants
from connectors.settings import ROOT, Settings
from local.ports import free_port

pytestmark = pytest.mark.integration

READY_SECONDS = 30


@dataclass
class EmbeddedModel:
    process: subprocess.Popen[str]
    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def started(port: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "local.model"],
        env={**os.environ, "MODEL_PORT": str(port)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def embedded() -> Iterator[EmbeddedModel]:
    port = free_port()
    with started(port) as process:
        assert process.stdout is not None
        assert "answers at" in process.stdout.readline()
        yield EmbeddedModel(process, port)
        process.kill()


@pytest.fixture
async def writer(embedded: EmbeddedModel) -> AsyncIterator[ReplyWriter]:
    writer = ReplyWriter(Settings.load({"MODEL_PORT": str(embedded.port)}))
    yield writer
    await writer.close()


@pytest.mark.timeout(300)
async def test_customers_are_answered_and_known(writer: ReplyWriter) -> None:
    """It is a tiny model and knows nine of ten: one of three must be known."""
    assistant, now = Assistants.load().named("default"), datetime.now(timezone.utc)
    patient = replace(assistant, deadline_seconds=45)  # with a busy machine
    known = []
    for name in ("Ada", "Emma", "Katya"):
        events: list[dict[str, Any]] = []
        for text in (f"Hi, my name is {name}. Do you repair bikes?", "Please repeat my name."):
            events.append({"event": "user", "text": text})
            reply = await writer.reply_to(events, turn_at(now, patient, {}, text))
            events.append({"event": "bot", "text": reply.text})
            assert reply.metadata["outcome"] == "answered"
            assert reply.metadata["model"] == "SmolLM2-135M-Instruct"
        known += [name] if name in reply.text else []
    assert known


def test_it_is_healthy_and_shows_nobody_what_customers_wrote(embedded: EmbeddedModel) -> None:
    assert httpx.get(f"{embedded.address}/health").json() == {"status": "ok"}
    assert httpx.get(f"{embedded.address}/slots").status_code == 501


def test_only_this_machine_reaches_it(embedded: EmbeddedModel) -> None:
    """On Linux all of 127/8 is this machine; a server on every interface would answer here."""
    with socket.socket() as probe:
        probe.settimeout(1)
        assert probe.connect_ex(("127.0.0.2", embedded.port)) != 0


def test_a_taken_port_is_one_clear_sentence(embedded: EmbeddedModel) -> None:
    with started(embedded.port) as second:
        _, said = second.communicate(timeout=READY_SECONDS)
    assert second.returncode == 1
    assert said.startswith(f"local.model: MODEL_PORT: port {embedded.port} is taken")
    assert said.count("\n") == 1


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_and_cleanly(stop: signal.Signals) -> None:
    with started(free_port()) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(stop)
        asked = time.monotonic()
        assert process.wait(READY_SECONDS) == 0
    assert time.monotonic() - asked < 8
