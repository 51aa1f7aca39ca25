"""The doctor, on a patient of real parts: Valkey, the door, a pretend Twilio, a scripted model."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from structlog.testing import capture_logs

from connectors import keys
from connectors.settings import Settings
from connectors.standings import Standings
from connectors.store import Store
from connectors.twilio_account import TwilioAccount
from connectors.twilio_client import TwilioClient
from connectors.wire import WEBHOOK_PATH
from local.doctor.__main__ import main
from local.ports import free_port
from tests.door import serving_door
from tests.fakes.model import Fails, FakeModel
from tests.pretend_business import (
    ACCOUNT,
    BUSINESS,
    SECOND_BUSINESS,
    TOKEN,
    open_twilio,
    pretend_config,
    serving,
)
from tests.valkey import Valkey

pytestmark = pytest.mark.integration

Finding = dict[str, Any]
TOLL_FREE, SHORT_CODE = "+18885550100", "24365"


@dataclass
class Patient:
    """Everything that an answer needs, well until it is broken."""

    environ: dict[str, str]
    valkey: Valkey
    model: FakeModel

    async def doctor(self, *arguments: str) -> tuple[int, str]:
        said = io.StringIO()
        code = await asyncio.to_thread(main, arguments, self.environ, said)
        return code, said.getvalue()

    async def findings(self) -> tuple[int, list[Finding]]:
        code, said = await self.doctor("--json")
        told = json.loads(said)
        assert told["well"] == (code == 0)
        return code, told["findings"]

    async def papers(self, **given: object) -> None:
        async with httpx.AsyncClient(trust_env=False) as http:
            url = f"{self.environ['TWILIO_API_BASE_URL']}/registration"
            answer = await http.post(url, json={"number": BUSINESS, **given})
            assert answer.status_code == 200, answer.text

    async def moves_to(self, public_url: str) -> None:
        """Twilio is told, so that only the address itself is in trouble."""
        self.environ["PUBLIC_URL"] = public_url
        await self.papers(sms_url=public_url + WEBHOOK_PATH)

    async def redis(self, *words: str) -> None:
        store = Store.connect(self.valkey.url)
        await store.client.execute_command(*words)
        await store.close()

    async def carriers_say(self, code: str) -> None:
        store, twilio = Store.connect(self.valkey.url), Settings.load(self.environ).twilio
        client = TwilioClient(twilio, timeout=10)
        standings = Standings(store, TwilioAccount(client), lambda: (BUSINESS,), strict=True)
        await standings.noticed(BUSINESS, code)
        await client.close()
        await store.close()


@pytest.fixture
async def patient(valkey: Valkey) -> AsyncIterator[Patient]:
    door, actions = free_port(), free_port()
    public = f"http://127.0.0.1:{door}"
    healthy = Starlette(routes=[Route("/health", lambda request: JSONResponse({}))])
    action_server = uvicorn.Server(
        uvicorn.Config(healthy, port=actions, log_level="error", ws="none")
    )
    with open_twilio(pretend_config(public)) as twilio, serving(action_server):
        async with FakeModel() as model:
            environ = {
                "TWILIO_ACCOUNT_SID": ACCOUNT,
                "TWILIO_AUTH_TOKEN": TOKEN,
                "TWILIO_NUMBERS": BUSINESS,
                "TWILIO_API_BASE_URL": twilio,
                "PUBLIC_URL": public,
                "REDIS_URL": valkey.url,
                "LLM_BASE_URL": model.base_url,
                "ACTIONS_PORT": str(actions),
            }
            numbers = f"{BUSINESS},{TOLL_FREE},{SHORT_CODE}"
            async with serving_door(Settings.load({**environ, "TWILIO_NUMBERS": numbers}), door):
                yield Patient(environ, valkey, model)


async def test_who_is_well_is_told_so_in_one_line_for_each_thing(patient: Patient) -> None:
    with capture_logs() as log:
        code, said = await patient.doctor()
    assert code == 0, said
    knocks = [line for line in log if line["event"].startswith("webhook.")]
    assert [(line["event"], line["log_level"]) for line in knocks] == [
        ("webhook.doctor_knocked", "info")
    ] * 2
    lines = said.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "ok   Settings",
        "ok   Assistants",
        "ok   Redis",
        "ok   Redis persistence",
        "ok   Redis failover",
        "ok   Redis eviction",
        "ok   Session log",
        "ok   Opt-outs",
        "ok   Dead letters",
        "ok   Model",
        "ok   Action server",
        "ok   PUBLIC_URL",
        "ok   Running Rasa",
        "ok   Twilio account",
        "ok   Clock",
        "ok   Number +1***0001",
        "ok   Texts to +1***0001",
        "ok   Rate of +1***0001",
        "ok   Words of +1***0001",
    ]
    assert "answers in" in said
    assert "120 segments a second" in said
    assert BUSINESS not in said


async def no_redis(patient: Patient) -> None:
    patient.valkey.stop()


async def forgetful_redis(patient: Patient) -> None:
    await patient.redis("CONFIG", "SET", "appendonly", "no")


async def evicting_redis(patient: Patient) -> None:
    await patient.redis("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")


async def nobody_reads_the_log(patient: Patient) -> None:
    fill = "for n = 1, 10001 do redis.call('XADD', KEYS[1], '*', 'kind', 'text') end"
    await patient.redis("EVAL", fill, "1", keys.LOG)


async def opt_outs_in_redis_only(patient: Patient) -> None:
    await patient.redis("XADD", keys.CONSENT_LOG, "1700000000000-0", "entry", "1-0", "data", "{}")


async def refused_by_the_model(patient: Patient) -> None:
    patient.model.script = [Fails(401)]


async def no_actions(patient: Patient) -> None:
    patient.environ["ACTIONS_PORT"] = str(free_port())


async def nobody_at_public_url(patient: Patient) -> None:
    await patient.moves_to(f"http://127.0.0.1:{free_port()}")


async def something_else_at_public_url(patient: Patient) -> None:
    await patient.moves_to(patient.environ["TWILIO_API_BASE_URL"])


async def rasa_has_another_token(patient: Patient) -> None:
    patient.environ["TWILIO_AUTH_TOKEN"] = "the-second-token"


async def wrong_credentials(patient: Patient) -> None:
    patient.environ |= {"TWILIO_API_KEY_SID": "SK" + "9" * 32, "TWILIO_API_KEY_SECRET": "no"}


def in_state(state: str) -> Callable[[Patient], Awaitable[None]]:
    return lambda patient: patient.papers(state=state)


async def unknown_to_carriers(patient: Patient) -> None:
    await patient.carriers_say("30034")


async def filtered(patient: Patient) -> None:
    await patient.carriers_say("30007")


async def too_fast(patient: Patient) -> None:
    patient.environ["SEGMENTS_PER_SECOND"] = "200"


async def registered_other_words(patient: Patient) -> None:
    await patient.papers(help_message="Call us.", opt_out_message="Bye.")


async def toll_free(patient: Patient) -> None:
    patient.environ["TWILIO_NUMBERS"] = TOLL_FREE


async def short_code(patient: Patient) -> None:
    patient.environ["TWILIO_NUMBERS"] = SHORT_CODE


async def rasa_was_started_before_a_number_was_added(patient: Patient) -> None:
    patient.environ["TWILIO_NUMBERS"] = f"{BUSINESS},{SECOND_BUSINESS}"


NUMBER, TEXTS = "Number +1***0001", "Texts to +1***0001"
BROKEN = [
    (no_redis, "Redis", "does not answer", "REDIS_URL"),
    (forgetful_redis, "Redis persistence", "no append-only file", "appendonly yes"),
    (evicting_redis, "Redis eviction", "allkeys-lru", "noeviction"),
    (nobody_reads_the_log, "Session log", "10001 records", "review app"),
    (opt_outs_in_redis_only, "Opt-outs", "in Redis only", "SESSION_LOG_URL"),
    (refused_by_the_model, "Model", "http://127.0.0.1", "LLM_API_KEY"),
    (no_actions, "Action server", "does not answer", "rasa run actions"),
    (nobody_at_public_url, "PUBLIC_URL", "does not answer", "is Rasa running?"),
    (something_else_at_public_url, "PUBLIC_URL", "leads elsewhere", "proxy"),
    (rasa_has_another_token, "PUBLIC_URL", "refuses what is signed", "TWILIO_AUTH_TOKEN"),
    (wrong_credentials, "Twilio account", "error 20003", "token or key"),
    (in_state("sold"), NUMBER, "does not belong to the account", "TWILIO_NUMBERS"),
    (in_state("cannot send SMS"), NUMBER, "cannot send SMS", "SMS capability"),
    (in_state("in no Messaging Service"), NUMBER, "in no Messaging Service", "sender pool"),
    (in_state("no campaign"), NUMBER, "has no campaign", "docs/10dlc.md"),
    (in_state("campaign in review"), NUMBER, "is IN_PROGRESS", "wait"),
    (in_state("campaign rejected"), NUMBER, "30909 The call to action", "submit it again"),
    (in_state("campaign suspended"), NUMBER, "is SUSPENDED", "support"),
    (in_state("brand rejected"), NUMBER, "EIN does not match", "business profile"),
    (in_state("texts swallowed by the Service"), TEXTS, "drops incoming", "make import-number"),
    (in_state("texts sent elsewhere"), TEXTS, "127.0.0.1:9/elsewhere", "make import-number"),
    (unknown_to_carriers, "Reports on +1***0001", "error 30034", "Messaging Service"),
    (too_fast, "Rate of +1***0001", "SEGMENTS_PER_SECOND is 200", "120 or less"),
    (registered_other_words, "Words of +1***0001", "HELP, STOP", "assistants/default.yml"),
    (toll_free, "Number +1***0100", "toll-free", "ten-digit"),
    (short_code, "Number ***", "short code", "ten-digit"),
    (rasa_was_started_before_a_number_was_added, "Running Rasa", "+1***0002 yet", "restart it"),
]


@pytest.mark.parametrize(("breaks", "about", "seen", "do"), BROKEN, ids=[row[1] for row in BROKEN])
async def test_what_is_broken_is_named_with_what_to_do_and_nothing_else_is(
    patient: Patient, breaks: Callable[[Patient], Awaitable[None]], about: str, seen: str, do: str
) -> None:
    await breaks(patient)
    code, findings = await patient.findings()
    assert code == 1
    bad = [finding for finding in findings if finding["well"] is False]
    assert [finding["about"] for finding in bad] == [about], bad
    assert seen in bad[0]["seen"]
    assert do in bad[0]["do"]


async def test_when_twilio_does_not_tell_the_rest_is_looked_at_all_the_same(
    patient: Patient,
) -> None:
    await patient.papers(api="forbidden")
    code, findings = await patient.findings()
    assert code == 0
    [unknown] = [finding for finding in findings if finding["well"] is None]
    assert "error 20403" in unknown["seen"]


async def test_settings_that_cannot_be_used_are_all_that_is_said(patient: Patient) -> None:
    patient.environ |= {"SESSION_TTL_SECONDS": "soon", "TWILIO_NUMBERS": "five"}
    code, said = await patient.doctor()
    assert code == 2
    assert "SESSION_TTL_SECONDS" in said
    assert "TWILIO_NUMBERS" in said
    code, said = await patient.doctor("--json")
    assert code == 2
    assert json.loads(said)["findings"][0]["about"] == "Settings"
