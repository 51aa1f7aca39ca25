"""The launcher with real processes: it says when all is ready, and it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from connectors.settings import ROOT
from local import ports
from tests.e2e.launching import SECONDS_TO_STOP, Launcher
from tests.e2e.rehearsal import Phone, scripted_model
from tests.pretend_business import ACCOUNT, BUSINESS, TOKEN, open_twilio, pretend_config
from tests.valkey import Valkey

pytestmark = pytest.mark.e2e

OUTSIDE_MODEL = {"LLM_BASE_URL": "http://127.0.0.1:9/v1"}
OUTSIDE = {
    **OUTSIDE_MODEL,
    "REDIS_URL": "redis://127.0.0.1:9",
    "TWILIO_ACCOUNT_SID": "AC" + "1" * 32,
    "TWILIO_AUTH_TOKEN": "token",
    "TWILIO_NUMBERS": "+15550100001",
}


Launch = Callable[..., Launcher]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Starts launchers on a folder with a space, and ends what a failed test left."""
    started: list[Launcher] = []

    def start(what: str, /, **environ: str) -> Launcher:
        started.append(Launcher(what, tmp_path / "a state", environ))
        return started[-1]

    yield start
    for launcher in started:
        if launcher.process.poll() is None:
            launcher.stop()
        for pipe in (launcher.process.stdin, launcher.process.stdout):
            if pipe:
                pipe.close()


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def all_gone(pids: dict[int, str]) -> bool:
    until = time.monotonic() + SECONDS_TO_STOP
    while any(map(is_running, pids)) and time.monotonic() < until:
        time.sleep(0.05)  # they are nobody's children any more: there is no event to wait for
    return not any(map(is_running, pids))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_ready_then_a_clean_stop(launch: Launch, number: signal.Signals) -> None:
    launcher = launch("services", **OUTSIDE_MODEL)
    ready = launcher.until("ready")
    assert f"phone page http://127.0.0.1:{launcher.port('PHONE_PORT')}/" in ready
    assert f"redis redis://127.0.0.1:{launcher.port('VALKEY_PORT')}/0" in ready
    assert redis.Redis(port=launcher.port("VALKEY_PORT")).ping()
    family = launcher.family()
    assert len(family) >= 4, family
    assert launcher.stop(number) == 0, launcher.output
    assert not [name for pid, name in family.items() if is_running(pid)]
    assert launcher.output.count("\nready") == 1
    assert "Traceback" not in launcher.output


def test_what_the_store_acknowledged_is_there_after_its_sudden_end(launch: Launch) -> None:
    first = launch("services", **OUTSIDE_MODEL)
    first.until("ready")
    store = redis.Redis(port=first.port("VALKEY_PORT"))
    assert store.config_get("appendfsync", "maxmemory-policy") == {
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
    }
    store.set("text", "hello")
    os.kill(store.info("server")["process_id"], signal.SIGKILL)
    assert first.end() != 0
    assert "valkey was ended by SIGKILL" in first.output
    second = launch("services", **OUTSIDE_MODEL)
    second.until("ready")
    assert redis.Redis(port=second.port("VALKEY_PORT")).get("text") == b"hello"


def test_one_part_that_ends_takes_the_others_along(launch: Launch) -> None:
    launcher = launch("services", **OUTSIDE_MODEL)
    launcher.until("ready")
    family = launcher.family()
    phone = next(pid for pid, name in family.items() if name.endswith("local.pretend_twilio"))
    os.kill(phone, signal.SIGTERM)  # it ends with code 0, and that is a failure, too
    assert launcher.end() == 1
    assert "phone ended with code 0, which nobody asked for" in launcher.output
    assert not [name for pid, name in family.items() if is_running(pid)]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_a_launcher_that_is_killed_leaves_nothing(launch: Launch) -> None:
    launcher = launch("services", **OUTSIDE_MODEL)
    launcher.until("ready")
    family = launcher.family()
    launcher.process.kill()
    launcher.process.wait(SECONDS_TO_STOP)
    assert all_gone(family)


def test_a_reader_that_goes_away_stops_it(launch: Launch) -> None:
    launcher = launch("services", **OUTSIDE_MODEL)
    launcher.until("starting")
    family = launcher.family()
    assert launcher.process.stdout is not None
    launcher.process.stdout.close()
    launcher.process.wait(SECONDS_TO_STOP)
    assert all_gone(family)


def test_a_signal_at_once_leaves_nothing(launch: Launch) -> None:
    launcher = launch("services", **OUTSIDE_MODEL)
    launcher.until("starting")
    family = launcher.family()
    assert launcher.stop() == 0
    assert all_gone(family)
    assert ports.is_free(launcher.port("VALKEY_PORT"))


def test_a_taken_port_is_named_with_its_setting(launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        launcher = launch("services", PHONE_PORT=str(port), **OUTSIDE_MODEL)
        assert launcher.end() == 2
    assert f"PHONE_PORT: port {port} is taken" in launcher.output
    assert len(launcher.output.splitlines()) == 1, launcher.output
    if sys.platform == "linux":
        assert f"process {os.getpid()}" in launcher.output


def test_one_port_for_two_parts_is_named(launch: Launch) -> None:
    port = str(ports.free_port())
    launcher = launch("services", PHONE_PORT=port, VALKEY_PORT=port, **OUTSIDE_MODEL)
    assert launcher.end() == 2
    assert launcher.output == f"VALKEY_PORT and PHONE_PORT are both {port}: change one of them\n"


def test_bad_settings_are_one_message_and_nothing_starts(launch: Launch) -> None:
    launcher = launch("services", RASA_PORT="many", REDIS_URL="ftp://redis")
    assert launcher.end() == 2
    assert "RASA_PORT" in launcher.output
    assert "REDIS_URL" in launcher.output
    assert "Traceback" not in launcher.output
    assert "starting" not in launcher.output


def test_two_launchers_never_share_one_store(launch: Launch) -> None:
    launch("services", **OUTSIDE_MODEL).until("ready")
    second = launch("services", **OUTSIDE_MODEL)
    assert second.end() == 2
    assert "another launcher is already running on" in second.output


def test_outside_services_leave_nothing_to_start(launch: Launch) -> None:
    launcher = launch("services", **OUTSIDE)
    assert launcher.end() == 0
    assert launcher.output.startswith("nothing to start")


def test_a_shell_that_lacks_something_says_what(launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        launcher = launch("shell", ACTIONS_PORT=str(taken.getsockname()[1]), **OUTSIDE_MODEL)
        assert launcher.end() == 2
    assert "ACTIONS_PORT" in launcher.output
    assert "shell.log" in launcher.output
    assert "Traceback" not in launcher.output


@pytest.mark.usefixtures("trained")
@pytest.mark.timeout(120)
def test_the_whole_of_it_is_ready_and_stops_cleanly(launch: Launch) -> None:
    launcher = launch("run", **OUTSIDE_MODEL)
    ready = launcher.until("ready")
    for part, port in (("session logs", "REVIEW_PORT"), ("webhook", "RASA_PORT")):
        assert f"{part} http://127.0.0.1:{launcher.port(port)}/" in ready
    assert f"actions http://127.0.0.1:{launcher.port('ACTIONS_PORT')}/" in launcher.output
    health = f"http://127.0.0.1:{launcher.port('RASA_PORT')}/webhooks/twilio_sms/"
    with urllib.request.urlopen(health, timeout=5) as reply:
        assert reply.headers["Content-Type"] == "application/json"
    family = launcher.family()
    doctor = subprocess.run(
        [sys.executable, "-m", "local.doctor"],
        cwd=ROOT,
        env={**os.environ, **launcher.environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
    bad = [line for line in doctor.stdout.splitlines() if not line.startswith("ok")]
    assert [line.split(":")[0] for line in bad] == ["BAD  Model"], doctor.stdout + doctor.stderr
    assert launcher.stop() == 0, launcher.output
    assert not [name for pid, name in family.items() if is_running(pid)]
    # Rasa goes first, so that nothing it needs for its last turn is gone before it.
    assert "Redis" not in launcher.output.partition("\nstopping")[2]
    assert "DeprecationWarning" not in launcher.output
    assert "Traceback" not in launcher.output


@pytest.mark.usefixtures("trained")
@pytest.mark.timeout(120)
def test_a_shell_takes_its_texts_from_a_pipe_and_ends_with_it(launch: Launch) -> None:
    launcher = launch("shell", **OUTSIDE_MODEL)
    rest, _ = launcher.process.communicate("hello\n", timeout=100)
    assert launcher.process.returncode == 0, rest
    assert "Bot loaded" in rest
    assert ports.is_free(launcher.port("VALKEY_PORT"))


@pytest.mark.usefixtures("trained")
@pytest.mark.timeout(120)
def test_a_shell_beside_a_running_launcher_uses_what_is_there(launch: Launch) -> None:
    running = launch("services", **OUTSIDE_MODEL)
    running.until("ready")
    shell = launch("shell", **running.environ)
    said, _ = shell.process.communicate("hello\n/stop\n", timeout=100)
    assert shell.process.returncode == 0, said
    assert "Bot loaded" in said
    assert redis.Redis(port=running.port("VALKEY_PORT")).ping()
    assert running.stop() == 0


@pytest.mark.usefixtures("trained")
@pytest.mark.timeout(120)
def test_outside_servers_are_used_and_none_of_ours_is_started(
    launch: Launch, valkey: Valkey
) -> None:
    rasa_port = ports.free_port()
    public_url = f"http://127.0.0.1:{rasa_port}"
    with scripted_model() as model, open_twilio(pretend_config(public_url)) as twilio_url:
        model.answers("From outside.")
        launcher = launch(
            "run",
            RASA_PORT=str(rasa_port),
            PUBLIC_URL=public_url,
            REDIS_URL=valkey.url,
            LLM_BASE_URL=model.base_url,
            TWILIO_API_BASE_URL=twilio_url,
            TWILIO_ACCOUNT_SID=ACCOUNT,
            TWILIO_AUTH_TOKEN=TOKEN,
            TWILIO_NUMBERS=BUSINESS,
        )
        launcher.until("ready")
        started = " ".join(launcher.family().values())
        assert not any(part in started for part in ("valkey", "local.model", "pretend_twilio"))
        phone = Phone(twilio_url)
        assert phone.texts("hello") == 204
        assert phone.answers(1) == ["From outside."]
        assert launcher.stop() == 0, launcher.output
