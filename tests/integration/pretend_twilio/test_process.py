"""The pretend Twilio as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import httpx
import pytest

from connectors.settings import ROOT
from local.ports import free_port
from tests.integration.pretend_twilio.callers import Phone
from tests.pretend_business import ACCOUNT, BUSINESS, TOKEN

pytestmark = pytest.mark.integration


def test_the_process_ends_at_once_although_a_phone_is_open() -> None:
    port = free_port()
    environ = {**os.environ, "PHONE_PORT": str(port), "TWILIO_ACCOUNT_SID": ""}
    for name in ("TWILIO_AUTH_TOKEN", "TWILIO_API_KEY_SID", "TWILIO_API_BASE_URL"):
        environ[name] = ""
    command = [sys.executable, "-m", "local.pretend_twilio"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"phone page: http://127.0.0.1:{port}/\n"
        phone = Phone(f"http://127.0.0.1:{port}")
        assert httpx.get(f"{phone.url}/health").json()["status"] == "ok"
        with phone.listening() as events:
            next(events)
            process.send_signal(signal.SIGTERM)
            assert list(events) == []
            assert process.wait(timeout=10) == 0


def test_the_process_refuses_to_play_a_real_account() -> None:
    environ = {
        **os.environ,
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_NUMBERS": BUSINESS,
        "TWILIO_API_BASE_URL": "",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "local.pretend_twilio"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "real Twilio" in ended.stderr
