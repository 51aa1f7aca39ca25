"""The sides of the comparison: what each starts, and where it takes texts."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.world import ACCOUNT, BUSINESS, TOKEN, World
from connectors.settings import LOOPBACK, ROOT
from connectors.wire import HEALTH_PATH, WEBHOOK_PATH
from local import ready, valkey
from local.parts import ACTION_SERVER, child_environ
from local.ports import free_port
from local.together import end_with_parent

START_SECONDS = 120.0
STOP_SECONDS = 20.0
end_with_us = functools.partial(end_with_parent, signal.SIGTERM)
# Whatever .env says: an empty value is the default.
HIDDEN = (
    "TWILIO_API_KEY_SID",
    "TWILIO_API_KEY_SECRET",
    "LLM_API_KEY",
    "LLM_MODEL",
    "LLM_FALLBACK_BASE_URL",
    "REPLY_SETTLE_MS",
    "SEGMENTS_PER_SECOND",
    "RASA_SPEED_FIXES",
    "TURNS_AT_ONCE",
)
# Customers of the bench text more than people do, and the model stand-in takes all of it.
NO_LIMITS = {
    "LIMIT_TEXTS_PER_MINUTE": "0",
    "LIMIT_TEXTS_PER_DAY": "0",
    "LIMIT_CUSTOMER_SEGMENTS_PER_MINUTE": "0",
    "LIMIT_CUSTOMER_SEGMENTS_PER_DAY": "0",
    "LLM_CALLS_AT_ONCE": "100",  # neither do the other sides spare the model
}
STOCK = Path(__file__).parent / "stock"
# What a process is, by a word of its command line.
PROCESSES = (
    ("local.launcher", "launcher"),
    ("rasa_sdk", "action server"),
    ("bench.stock", "Rasa"),
    ("rasa run", "Rasa"),
    ("review", "review app"),
    ("bench.floor", "hand-written bot"),
)


@dataclass(frozen=True)
class Side:
    """`commands` and `health` may name {rasa} and {actions}, which become ports."""

    name: str
    commands: Sequence[Sequence[str]]
    health: Sequence[str]
    webhook: str
    environ: Mapping[str, str] = field(default_factory=dict)


def sides(stock_model: Path) -> dict[str, Side]:
    ours = Side(
        "ours",
        [["-m", "local.launcher", "run"]],
        [f"http://{LOOPBACK}:{{rasa}}{HEALTH_PATH}", f"http://{LOOPBACK}:{{actions}}/health"],
        WEBHOOK_PATH,
        {"REPLY_SETTLE_MS": "0"},
    )
    settling = Side("ours, settling 400 ms", ours.commands, ours.health, ours.webhook)
    files = ["--endpoints", STOCK / "endpoints.yml", "--credentials", STOCK / "credentials.yml"]
    serve = ["-i", LOOPBACK, "-p", "{rasa}", "--model", stock_model, *files]
    stock = Side(
        "stock Rasa",
        [
            ["-m", "rasa_sdk", "--actions", "bench.stock.actions", "--port", "{actions}"],
            ["-m", "bench.stock", "run", *map(str, serve)],
        ],
        [f"http://{LOOPBACK}:{{rasa}}/", f"http://{LOOPBACK}:{{actions}}/health"],
        "/webhooks/twilio/webhook",
        ACTION_SERVER,
    )
    quiet = ["--ws", "none", "--log-level", "warning"]
    floor = Side(
        "hand-written",
        [["-m", "uvicorn", "bench.floor:app", "--host", LOOPBACK, "--port", "{rasa}", *quiet]],
        [f"http://{LOOPBACK}:{{rasa}}/health"],
        "/webhook",
    )
    return {"ours": ours, "settling": settling, "stock": stock, "floor": floor}


class Running:
    """A side that answers. `started_seconds` is how long that took."""

    def __init__(self, processes: Sequence[subprocess.Popen[bytes]], started_seconds: float):
        self.processes = processes
        self.started_seconds = started_seconds

    def memory_mb(self) -> float:
        """What all its processes hold in memory (RSS)."""
        tree = _tree({process.pid for process in self.processes})
        return sum(kilobytes for _, kilobytes in tree.values()) / 1024

    def processor_seconds(self) -> dict[str, float]:
        """What its processes used so far, by what they are; nothing where there is no /proc."""
        used: dict[str, float] = {}
        for pid, (command, _) in _tree({process.pid for process in self.processes}).items():
            with suppress(OSError):  # it has ended meanwhile
                stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
                ticks = sum(int(ticks) for ticks in stat.split()[11:13])
                name = next((name for word, name in PROCESSES if word in command), "others")
                used[name] = used.get(name, 0.0) + ticks / os.sysconf("SC_CLK_TCK")
        return used


@contextmanager
def running(side: Side, world: World, redis_port: int, log: Path) -> Iterator[Running]:
    """Start everything at once, and end it all at the end of the block."""
    ports = {"rasa": free_port(), "actions": free_port()}
    folder = tempfile.TemporaryDirectory()
    address = f"http://{LOOPBACK}:{ports['rasa']}"
    environ = {
        **os.environ,
        **dict.fromkeys(HIDDEN, ""),
        **NO_LIMITS,
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_NUMBERS": BUSINESS,
        "TWILIO_API_BASE_URL": world.twilio_url,
        "REQUIRE_10DLC": "warn",  # our stand-in for Twilio knows of no campaigns
        "PUBLIC_URL": address,
        "REDIS_URL": f"redis://{LOOPBACK}:{redis_port}/0",
        "VALKEY_PORT": str(redis_port),
        "LLM_BASE_URL": world.model_url,
        "RASA_PORT": str(ports["rasa"]),
        "ACTIONS_PORT": str(ports["actions"]),
        "REVIEW_PORT": str(free_port()),
        "SESSION_LOG_URL": f"sqlite:///{folder.name}/session_log.db",
        "ACTIONS_URL": f"http://{LOOPBACK}:{ports['actions']}/webhook",
        **side.environ,
    }
    with folder, ExitStack() as stack:
        began = time.perf_counter()
        processes = [
            stack.enter_context(_process([w.format(**ports) for w in words], environ, log))
            for words in side.commands
        ]
        _wait([where.format(**ports) for where in side.health], processes, log)
        world.webhook = address + side.webhook
        yield Running(processes, time.perf_counter() - began)


@contextmanager
def _process(
    words: list[str], environ: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, *words],
            cwd=ROOT,
            env=child_environ(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # the terminal's Ctrl-C is for us, and we end them
            preexec_fn=end_with_us,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(
    addresses: Sequence[str], processes: Sequence[subprocess.Popen[bytes]], log: Path
) -> None:
    end = time.monotonic() + START_SECONDS
    while ready.wait(addresses, seconds=1.0):
        if time.monotonic() > end or any(p.poll() is not None for p in processes):
            raise SystemExit(f"it does not start; its log is {log}")


@contextmanager
def redis(folder: Path) -> Iterator[int]:
    """A Valkey with the settings of `make run`, empty. Yields its port."""
    folder.mkdir(parents=True)
    port = free_port()
    process = subprocess.Popen(  # noqa: S603
        valkey.command(port), cwd=folder, stdout=subprocess.DEVNULL, preexec_fn=end_with_us
    )
    try:
        ready.wait([f"{LOOPBACK}:{port}"])
        yield port
    finally:
        process.terminate()
        process.wait()


def _tree(roots: set[int]) -> dict[int, tuple[str, int]]:
    """Processes and all below them: command line and kilobytes by id."""
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,rss=,args="],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split(None, 3) for line in listing.stdout.splitlines()]
    family = set(roots)
    while more := {int(r[0]) for r in rows if int(r[1]) in family} - family:
        family |= more
    return {int(r[0]): (r[3], int(r[2])) for r in rows if int(r[0]) in family}
