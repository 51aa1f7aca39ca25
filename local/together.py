"""Together: honcho's manager, which learns here to stop in order and to say when all is ready."""

from __future__ import annotations

import ctypes
import datetime
import functools
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import IO, Any, TextIO

from honcho.manager import SYSTEM_PRINTER_NAME, Manager
from honcho.printer import Message, Printer
from honcho.process import Popen, Process

from local import ready
from local.lines import readable
from local.parts import Part

PR_SET_PDEATHSIG = 1
SECONDS_BETWEEN_NEWS = 10.0
# Each line on its own would wake two of our processes, which costs more than writing it did.
GATHER_SECONDS = 0.05
PIPE_BYTES = 1 << 20  # Linux gives that much; a part must not wait for us to read


class Together(Manager):
    """Runs the parts until a signal, or until one of them ends by itself, which is a failure."""

    _terminating: bool

    def __init__(self, parts: Sequence[Part], on_ready: Callable[[], str]) -> None:
        super().__init__(Lines(sys.stdout))
        self._process_ctor = BoundProcess
        self.parts = parts
        self.on_ready = on_ready
        self.failure = ""
        self._owner = os.getpid()
        for part in parts:
            command = "exec " + shlex.join(part.command)  # no shell between us and its signals
            self.add_process(part.name, command, env=dict(part.environ), cwd=str(part.folder))

    def run(self) -> int:
        signal.signal(signal.SIGHUP, lambda *_: self.terminate())  # the terminal was closed
        try:
            self.loop()
        finally:
            for part in self.parts:  # none is left, unless the loop itself failed
                self._send(part, signal.SIGKILL)
        if self.failure:
            print(self.failure, file=sys.stderr, flush=True)
        return 1 if self.failure else 0

    def terminate(self) -> None:
        """By a signal, by a part that ended, or by `give_up`. Instead of honcho's all at once."""
        if self._terminating or os.getpid() != self._owner:  # honcho's forks inherit the handlers
            return
        self._terminating = True
        ended = [part for part in self.parts if not self._is_alive(part)]
        if ended and not self.failure:
            self.failure = _epitaph(ended[0].name, self._processes[ended[0].name]["returncode"])
        threading.Thread(target=self._stop_in_order, daemon=True).start()

    def kill(self) -> None:
        """honcho's patience is shorter than Rasa's last turn; `_stop_in_order` has its own."""

    def give_up(self, why: str) -> None:
        self.failure = why
        self.terminate()

    def say(self, text: str) -> None:
        now = datetime.datetime.now()
        self.events.put(Message(type="line", data=text, time=now, name=None, colour=None))

    def _start(self) -> None:
        super()._start()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        self.say(f"starting {', '.join(part.name for part in self.parts)}")
        start = time.monotonic()
        silent, news = list(self.parts), SECONDS_BETWEEN_NEWS
        while silent and not self._terminating:
            time.sleep(ready.SECONDS_BETWEEN)
            seconds = time.monotonic() - start
            for part in [part for part in silent if ready.answers(part.address)]:
                silent.remove(part)
                self.say(f"{part.name} answers after {seconds:.1f} s")
            if seconds > ready.PATIENCE_SECONDS:
                return self.give_up(_no_answer(silent))
            if silent and seconds > news:
                news += SECONDS_BETWEEN_NEWS
                self.say(f"still starting {_names(silent)} ({seconds:.0f} s)")
        if not self._terminating:
            self.say(self.on_ready())
        return None

    def _stop_in_order(self) -> None:
        """Rasa first, while all that its last turn needs is still there; the store last."""
        self.say("stopping")
        by_layer = sorted(self.parts, key=lambda part: -part.layer)
        for _, layer in groupby(by_layer, key=lambda part: part.layer):
            self._stop(list(layer))

    def _stop(self, parts: Sequence[Part]) -> None:
        asked: set[str] = set()
        start = time.monotonic()
        while alive := [part for part in parts if self._is_alive(part)]:
            for part in alive:
                if part.name not in asked and self._send(part, signal.SIGTERM):
                    asked.add(part.name)
                if time.monotonic() - start > part.patience:
                    self._send(part, signal.SIGKILL)
            time.sleep(0.05)

    def _send(self, part: Part, number: signal.Signals) -> bool:
        """To its whole process group. False if it has not been started yet."""
        pid = self._processes[part.name].get("pid")
        if pid is not None and self._is_alive(part):
            send = self._procmgr.kill if number == signal.SIGKILL else self._procmgr.terminate
            send(pid)
        return pid is not None

    def _is_alive(self, part: Part) -> bool:
        return self._processes[part.name].get("returncode") is None


class BoundProcess(Process):
    """Goes when the launcher goes, even when that was killed outright (where Linux can tell)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._child_ctor = start

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        end_with_parent(signal.SIGKILL)  # this is honcho's process beside each of ours
        super().run(events, ignore_signals)


def start(*args: Any, **kwargs: Any) -> Popen:
    going_along = functools.partial(end_with_parent, signal.SIGTERM)
    process = Popen(*args, pipesize=PIPE_BYTES, preexec_fn=going_along, **kwargs)
    process.stdout = Gathered(process.stdout)
    return process


class Gathered:
    """A pipe that gives honcho, which asks for a line, all the lines that came in the meantime."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self.pipe = pipe
        self.close = pipe.close
        self.begun = b""

    def readline(self) -> bytes:
        """Whole lines, at least one. Empty at the end."""
        lines = b""
        while not lines:
            time.sleep(GATHER_SECONDS)
            if not (more := os.read(self.pipe.fileno(), PIPE_BYTES)):
                lines, self.begun = self.begun, b""
                break
            whole, newline, self.begun = (self.begun + more).rpartition(b"\n")
            lines = whole + newline
        return lines


class Lines(Printer):
    """honcho's printer, with plain lines for what the launcher says, and readable ones of parts."""

    output: TextIO

    def write(self, message: Any) -> None:
        if message.name == SYSTEM_PRINTER_NAME:
            return  # the launcher says it in its own words
        try:
            if message.name is None:
                print(message.data, file=self.output, flush=True)
            elif lines := _readable(message.data):
                super().write(message._replace(data=lines))
        except OSError:  # nobody reads any more: `make run | head`, a closed terminal
            self.output = open(os.devnull, "w")  # noqa: SIM115
            os.kill(os.getpid(), signal.SIGTERM)


def end_with_parent(number: signal.Signals) -> None:
    """Asks Linux to send this signal to the calling process when its parent is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number))


def _readable(data: str | bytes) -> str:
    """What there is to show of one or more lines."""
    text = data if isinstance(data, str) else data.decode("utf-8", "replace")
    shown = (readable(line) for line in text.splitlines())
    return "\n".join(line for line in shown if line is not None)


def _epitaph(name: str, code: int) -> str:
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    return f"{name} {how}, which nobody asked for, so everything else was stopped too"


def _names(parts: Sequence[Part]) -> str:
    return ", ".join(part.name for part in parts)


def _no_answer(silent: Sequence[Part]) -> str:
    which = ", ".join(f"{part.name} at {part.address}" for part in silent)
    return f"no answer within {ready.PATIENCE_SECONDS:.0f} s from {which}"
