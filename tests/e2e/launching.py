"""The launcher as a process, on ports and a state folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from connectors.settings import ROOT
from local import ports

PORTS = ("RASA_PORT", "ACTIONS_PORT", "PHONE_PORT", "VALKEY_PORT", "MODEL_PORT", "REVIEW_PORT")
SECONDS_TO_STOP = 15


class Launcher:
    """`python -m local.launcher`, with the ports that it was given."""

    def __init__(self, what: str, state: Path, environ: dict[str, str]) -> None:
        self.environ = {**{name: str(ports.free_port()) for name in PORTS}, **environ}
        command = [sys.executable, "-m", "local.launcher", what, "--state", str(state)]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **self.environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output = ""

    def port(self, name: str) -> int:
        return int(self.environ[name])

    def until(self, beginning: str) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            if line.startswith(beginning):
                return line
        raise AssertionError(f"ended without a line that begins with {beginning}:\n{self.output}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.end()

    def end(self) -> int:
        rest, _ = self.process.communicate(timeout=SECONDS_TO_STOP)
        self.output += rest
        return self.process.returncode

    def family(self) -> dict[int, str]:
        """Every process below the launcher, by its id."""
        listing = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
        )
        rows = [line.split(None, 2) for line in listing.stdout.splitlines()]
        known = {self.process.pid}
        found: dict[int, str] = {}
        for pid, parent, name in sorted(rows, key=lambda row: int(row[0])):
            if int(parent) in known:
                known.add(int(pid))
                found[int(pid)] = name
        return found
