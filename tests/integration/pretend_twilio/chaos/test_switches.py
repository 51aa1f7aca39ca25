"""Chaos mode's switches on the phone page."""

from __future__ import annotations

from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException

from tests.integration.pretend_twilio.callers import send
from tests.integration.pretend_twilio.chaos.rehearsal import Rehearsal
from tests.pretend_business import Business

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("switch", ["duplicates", "slow", "errors", "reports"])
def test_a_switch_makes_trouble_and_ends_it(chaos: Rehearsal, switch: str) -> None:
    on = chaos.post("/chaos/switches", {switch: True})
    assert [name for name, is_on in on["switches"].items() if is_on] == [switch]
    assert on["active"] is True
    off = chaos.post("/chaos/switches", {switch: False})
    assert off["active"] is False
    assert not any(off["switches"].values())


def test_switches_leave_each_other_alone(chaos: Rehearsal) -> None:
    for switch in ("duplicates", "slow", "errors", "reports"):
        chaos.post("/chaos/switches", {switch: True})
    state = chaos.post("/chaos/switches", {"slow": False})
    assert state["switches"] == {"duplicates": True, "slow": False, "errors": True, "reports": True}


def test_trouble_is_written_on_the_bubble(
    business: Business, chaos: Rehearsal, twilio: Any
) -> None:
    chaos.script(webhooks=[{"duplicate": 1, "delay_ms": 20}], messages=["500 after"])
    chaos.text("Hello?")
    with pytest.raises(TwilioRestException):
        send(twilio, "Good morning")
    chaos.text("Thank you")
    troubles = {bubble["body"]: bubble["trouble"] for bubble in chaos.bubbles()}
    assert troubles == {
        "Hello?": ["posted 2 times at once", "20 ms late"],
        "Good morning": ["answered with 500"],
        "Thank you": [],
    }
