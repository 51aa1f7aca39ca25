"""Where the texts to a number go: to us, elsewhere, or nowhere."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connectors.registration import OwnedNumber, Registration, Service
from connectors.wiring import OVERRIDES, astray, webhook

PUBLIC = "https://sms.example.com"
OURS = PUBLIC + "/webhooks/twilio_sms/webhook"
ELSEWHERE = "https://old.example.com/sms?token=secret"
NUMBER = OwnedNumber("PN1", "+15550100001", sends_sms=True, sms_url=OURS)
DEFERS = Service("MG1", "Front desk", defers_to_number=True)
KEEPS = Service("MG1", "Front desk", defers_to_number=False, inbound_url=OURS)


def found(service: Service | None = None, **changes: object) -> Registration:
    return Registration(NUMBER.number, replace(NUMBER, **changes), service)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "well",
    [
        found(),
        found(DEFERS),
        found(sms_url=OURS + OVERRIDES),
        found(KEEPS, sms_url=ELSEWHERE),
        Registration(NUMBER.number),
    ],
)
def test_texts_that_come_to_us_are_not_astray(well: Registration) -> None:
    assert astray(well, PUBLIC) is None


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (found(sms_url=""), "no webhook"),
        (found(sms_url=ELSEWHERE), "old.example.com/sms"),
        (found(DEFERS, sms_url=ELSEWHERE), "old.example.com/sms"),
        (found(sms_method="GET"), "takes only POST"),
        (found(sms_application_sid="AP1"), "TwiML app AP1"),
        (found(replace(KEEPS, inbound_url="")), "drops incoming texts"),
        (found(replace(KEEPS, inbound_url=ELSEWHERE)), "sends them to https://old"),
    ],
)
def test_where_else_they_go_is_said_without_secrets(bad: Registration, said: str) -> None:
    seen = astray(bad, PUBLIC)
    assert seen is not None
    assert said in seen
    assert "secret" not in seen


def test_twilio_is_told_to_try_again_within_its_fifteen_seconds() -> None:
    address, _, fragment = webhook(PUBLIC).partition("#")
    given = dict(pair.split("=") for pair in fragment.split("&"))
    assert address == OURS
    assert {"5xx", "ct", "rt"} == set(given["rp"].split(","))
    assert (int(given["rc"]) + 1) * int(given["rt"]) <= int(given["tt"]) == 15_000
