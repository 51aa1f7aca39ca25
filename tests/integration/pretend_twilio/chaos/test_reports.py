"""Chaos mode, when Twilio reports: backwards, repeated, late, lost."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.integration.pretend_twilio.callers import send
from tests.integration.pretend_twilio.chaos.rehearsal import (
    HELD,
    LATE_MS,
    Rehearsal,
    callback,
    states,
)
from tests.pretend_business import Business

pytestmark = pytest.mark.integration


def test_reports_can_come_backwards(business: Business, chaos: Rehearsal, twilio: Any) -> None:
    chaos.script(callbacks=[HELD, HELD])
    send(twilio, status_callback=callback(business))
    assert states(business, 3) == ["delivered", "sent", "sending"]


def test_reports_can_be_repeated(business: Business, chaos: Rehearsal, twilio: Any) -> None:
    chaos.script(callbacks=["ok", {"duplicate": 1, "copies": 3}])
    send(twilio, status_callback=callback(business))
    assert Counter(states(business, 5)) == {"sending": 1, "sent": 3, "delivered": 1}


def test_a_lost_report_holds_up_no_other(business: Business, chaos: Rehearsal, twilio: Any) -> None:
    chaos.script(callbacks=["ok", "lost"])
    send(twilio, status_callback=callback(business))
    assert states(business, 2) == ["sending", "delivered"]
    [message] = chaos.ledger()["messages"]
    assert [report["of"] for report in message["reports"]] == ["sending", "delivered"]
    assert message["trouble"] == ["report of “sent” never posted"]


def test_a_late_report_holds_up_no_other(business: Business, chaos: Rehearsal, twilio: Any) -> None:
    chaos.script(callbacks=[{"delay_ms": 3 * LATE_MS}])
    send(twilio, status_callback=callback(business))
    assert states(business, 3) == ["sent", "delivered", "sending"]
    assert twilio.messages.list()[0].status == "delivered"
