"""Launcher: `python -m local.launcher run`, `services` or `shell`, which the Makefile calls."""

from __future__ import annotations

import argparse
import fcntl
import functools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from connectors.assistants import Assistants
from connectors.errors import SettingsError
from connectors.settings import LOOPBACK, ROOT, VAR, Settings
from local import parts, ports, ready, training
from local.parts import Part
from local.together import Together, end_with_parent

BEHIND_SHELL = "behind-shell"
WHAT: Mapping[str, Callable[[Settings, Path], list[Part]]] = {
    "run": parts.everything,
    "services": parts.services,
    BEHIND_SHELL: parts.behind_shell,
}
NEXT = "now, in two other terminals:  .venv/bin/rasa run actions  and  .venv/bin/rasa run"
SECONDS_TO_STOP = 15
LAST_LINES = 12
BEHIND = ("health", "actions", "model", "redis")  # for programs, and for when something is wrong


class CannotStart(Exception):
    """The message says what is in the way, one line for each thing."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m local.launcher", description=__doc__)
    parser.add_argument("what", choices=[*WHAT, "shell"])
    parser.add_argument("--state", type=Path, default=VAR, help="where Valkey and logs are kept")
    given = parser.parse_args(arguments)
    os.chdir(ROOT)  # Rasa looks for its files in the current folder
    try:
        settings = Settings.load()
        Assistants.load()  # a mistake in it is better named before anything starts
        if given.what == "shell":
            return shell(settings, given.state)
        return launch(given.what, settings, given.state)
    except (CannotStart, SettingsError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def launch(what: str, settings: Settings, state: Path) -> int:
    """Runs in the foreground until a signal. 0 only if it was asked to stop, and stopped."""
    wanted = WHAT[what](settings, state)
    if what == BEHIND_SHELL and is_running_on(state):
        wanted = [part for part in wanted if not ready.answers(part.address)]
    if not wanted:
        print("nothing to start: everything is there already")
        return 0
    if taken := ports.conflicts(parts.ports(settings, wanted)):
        raise CannotStart("\n".join(taken))
    if what == "run" and not training.newest_model(ROOT):
        raise CannotStart("models/ has no model yet: `make train` makes one")
    with ExitStack() as stack:
        if any(part.name == "valkey" for part in wanted):
            stack.enter_context(alone_in(state / "valkey"))
        return Together(wanted, functools.partial(greeting, what, settings, wanted)).run()


def greeting(what: str, settings: Settings, running: Sequence[Part]) -> str:
    """The last line that a person looks for begins with `ready`, and is short enough to be read."""
    found = parts.addresses(settings, running)
    if what != "run":
        return f"ready  {_listed(found)}" + (f"\n{NEXT}" if what == "services" else "")
    behind = {name: found.pop(name) for name in BEHIND if name in found}
    return f"behind it: {_listed(behind)}\nready  {_listed(found)}"


def _listed(addresses: Mapping[str, str]) -> str:
    return "  ".join(f"{name} {address}" for name, address in addresses.items())


def is_running_on(state: Path) -> bool:
    """Has another launcher, `make run` or `make services`, this Valkey?"""
    try:
        with alone_in(state / "valkey"):
            return False
    except CannotStart:
        return True


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Two servers that append to one file would ruin it; ports do not tell, they can be set."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "launcher.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(f"another launcher is already running on {folder}") from None
        yield


def shell(settings: Settings, state: Path) -> int:
    """`rasa shell` in the terminal; what it lacks runs behind it, and ends with it."""
    print("starting what rasa shell needs", flush=True)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    with services_behind(state / "log" / "shell.log", state):
        port = settings.rasa_port if ports.is_free(settings.rasa_port) else ports.free_port()
        listen = ["-i", LOOPBACK, "-p", str(port)]  # rasa shell listens on all addresses otherwise
        command = [sys.executable, "-m", "local.quietly", "local.shell", *listen]
        environ = parts.child_environ(os.environ, parts.TWILIO_SECRETS)
        terminal = subprocess.Popen(command, env=environ)  # noqa: S603
        # Ctrl-C is for rasa shell, which gets it from the terminal as we do.
        signal.signal(signal.SIGINT, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: terminal.terminate())
        return terminal.wait()


@contextmanager
def services_behind(log: Path, state: Path) -> Iterator[None]:
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "local.launcher", BEHIND_SHELL, "--state", str(state)]
    services = subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # the terminal's Ctrl-C is not for them
        preexec_fn=functools.partial(end_with_parent, signal.SIGTERM),
    )
    try:
        wait_until_ready(services, log)
        yield
    finally:
        services.terminate()
        services.wait(SECONDS_TO_STOP + 1)


def wait_until_ready(services: subprocess.Popen[str], log: Path) -> None:
    is_ready = threading.Event()
    threading.Thread(target=_keep_log, args=(services, log, is_ready), daemon=True).start()
    is_ready.wait()
    if services.poll():  # 0: there was nothing to start
        lines = log.read_text().splitlines()[-LAST_LINES:]
        raise CannotStart("\n".join([*lines, f"rasa shell lacks what it needs (all of it: {log})"]))


def _keep_log(services: subprocess.Popen[str], log: Path, is_ready: threading.Event) -> None:
    assert services.stdout is not None
    with log.open("w", buffering=1) as kept:
        for line in services.stdout:
            kept.write(line)
            if line.startswith("ready"):
                is_ready.set()
    services.wait()
    is_ready.set()


if __name__ == "__main__":
    sys.exit(main())
