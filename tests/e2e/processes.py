"""Processes of ours: started, asked whether they answer, ended and killed by signals."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import httpx

from connectors.settings import ROOT

START_SECONDS = 60.0
END_SECONDS = 20.0


def wait_until(
    is_so: Callable[[], Any], seconds: float, what: str, every_seconds: float = 0.02
) -> Any:
    """The first true answer. Fails with `what` did not happen."""
    if found := comes_true(is_so, seconds, every_seconds):
        return found
    raise AssertionError(f"{what} did not happen within {seconds:.0f} s")


def comes_true(is_so: Callable[[], Any], seconds: float, every_seconds: float = 0.02) -> Any:
    """The first true answer, or the last false one."""
    end = time.monotonic() + seconds
    while not (found := is_so()) and time.monotonic() < end:
        time.sleep(every_seconds)
    return found


class Running(Protocol):
    """What of subprocess.Popen is used here."""

    def poll(self) -> int | None: ...
    def send_signal(self, sig: int) -> None: ...
    def wait(self, timeout: float) -> int: ...


Starter = Callable[[Sequence[str], Mapping[str, str], Path], Running]


def as_typed(words: Sequence[str], environ: Mapping[str, str], log: Path) -> Running:
    """A process as a user starts it: `python -m rasa run ...`."""
    with log.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", *words],
            env=dict(environ),
            cwd=ROOT,
            stdout=file,
            stderr=subprocess.STDOUT,
        )


class Forked:
    """The same process, forked from one that has imported Rasa: it starts in a second, not in ten.

    `sabotage` names a function of tests.e2e.sabotage that breaks the product first.
    """

    def __init__(
        self, words: Sequence[str], environ: Mapping[str, str], log: Path, sabotage: str = ""
    ) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.e2e.imported"])
        arguments = (list(words), dict(environ), str(log), sabotage)
        self._process = context.Process(target=_become, args=arguments, daemon=True)
        self._process.start()

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, sig: int) -> None:
        assert self._process.pid is not None
        with suppress(ProcessLookupError):  # as Popen does
            os.kill(self._process.pid, sig)

    def wait(self, timeout: float) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("forked", timeout)
        return self._process.exitcode


def forked_with(sabotage: str) -> Starter:
    return lambda words, environ, log: Forked(words, environ, log, sabotage)


def _become(words: list[str], environ: dict[str, str], log: str, sabotage: str) -> None:
    """Runs in the child: what `python -m` does with these words."""
    os.environ.clear()
    os.environ.update(environ)
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(file, 1)
    os.dup2(file, 2)
    if sabotage:
        getattr(importlib.import_module("tests.e2e.sabotage"), sabotage)()
    module = importlib.import_module(f"{words[0]}.__main__")
    sys.argv = words
    module.main()


class Process:
    """One of ours; its log is kept for when a test fails."""

    def __init__(
        self,
        words: Sequence[str],
        environ: Mapping[str, str],
        health: str,
        log: Path,
        starter: Starter = as_typed,
    ) -> None:
        self.words = words
        self.environ = environ
        self.health = health
        self.log = log
        self.starter = starter
        self._process: Running | None = None

    def start(self) -> None:
        """Return once it answers."""
        self.launch()
        wait_until(self._answers, START_SECONDS, f"{' '.join(self.words)} (log: {self.log})")

    def launch(self) -> None:
        """Start it without waiting for its answer."""
        self._process = self.starter(self.words, self.environ, self.log)

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
        code = self._process.wait(END_SECONDS)
        self._process = None
        return code

    def strike(self, number: signal.Signals) -> None:
        """A signal at once, without waiting for what comes of it."""
        if self._process is not None:
            self._process.send_signal(number)

    @property
    def is_dead(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def text(self) -> str:
        return self.log.read_text()
