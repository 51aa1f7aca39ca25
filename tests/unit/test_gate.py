"""May this leave? Every state that a conversation can be in, and every kind of part."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connectors.gate import Errand, Facts, why_not
from connectors.part import HELP, NOTICE, OPTED_IN, OPTED_OUT, REPLY

OURS, ADA = "+15550100001", "+15550109999"
LIVE = Facts("S1", (OURS, ADA), consent="", ledger_is_whole=True)
ANSWER = Errand((OURS, ADA), session="S1")

STATES = {
    "live": LIVE,
    "subscribed again": replace(LIVE, consent="in"),
    "no session": replace(LIVE, session="", between=("", "")),
    "a later session": replace(LIVE, session="S2"),
    "opened by the API": replace(LIVE, between=("", "")),
    "somebody else's": replace(LIVE, between=(OURS, "+15550108888")),
    "opted out": replace(LIVE, consent="out"),
    "opted out at Twilio": replace(LIVE, consent="out:twilio"),
    "number not approved": replace(LIVE, unapproved="register it"),
    "ledger incomplete": replace(LIVE, ledger_is_whole=False),
    "brake": replace(LIVE, segments_left=0),
    "customer's minute": replace(LIVE, minute_left=0),
    "customer's day": replace(LIVE, day_left=0, minute_left=0),
}
NO = {
    "no session": "no_session",
    "a later session": "session_over",
    "opened by the API": "not_opened_by_a_text",
    "somebody else's": "not_opened_by_a_text",
    "opted out": "opted_out",
    "opted out at Twilio": "opted_out",
    "number not approved": "number_not_approved",
    "ledger incomplete": "ledger_incomplete",
    "brake": "segments_per_day",
}
# For answers only: keywords are answered all the same, and the notice of a limit comes once a day.
NO_ANSWER = NO | {
    "customer's minute": "customer_segments_per_minute",
    "customer's day": "customer_segments_per_day",
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", [REPLY, OPTED_IN, NOTICE])
def test_an_answer_leaves_in_its_own_live_session_only(state: str, kind: str) -> None:
    refusal = why_not(replace(ANSWER, kind=kind), STATES[state])
    expected = NO_ANSWER if kind == REPLY else NO
    assert (refusal.reason if refusal else None) == expected.get(state)


@pytest.mark.parametrize("state", STATES)
def test_help_is_answered_to_who_opted_out_unless_twilio_holds_it_back(state: str) -> None:
    refusal = why_not(replace(ANSWER, kind=HELP), STATES[state])
    expected = {name: reason for name, reason in NO.items() if name != "opted out"}
    assert (refusal.reason if refusal else None) == expected.get(state)


@pytest.mark.parametrize("state", STATES)
def test_the_confirmation_of_stop_leaves_to_who_is_out_and_to_nobody_else(state: str) -> None:
    refusal = why_not(replace(ANSWER, kind=OPTED_OUT), STATES[state])
    assert (refusal is None) == (state == "opted out")


def test_it_needs_no_session_and_knows_no_brake() -> None:
    out = replace(LIVE, session="", between=("", ""), consent="out", segments_left=0)
    assert why_not(replace(ANSWER, kind=OPTED_OUT), out) is None


def test_what_no_text_asked_for_may_leave_in_any_live_session() -> None:
    assert why_not(Errand((OURS, ADA)), replace(LIVE, session="S2")) is None


def test_the_brake_counts_segments() -> None:
    assert why_not(replace(ANSWER, segments=3), replace(LIVE, segments_left=3)) is None
    refusal = why_not(replace(ANSWER, segments=4), replace(LIVE, segments_left=3))
    assert refusal is not None
    assert refusal.reason == "segments_per_day"


def test_the_message_that_reaches_a_customers_limit_leaves_whole() -> None:
    assert why_not(replace(ANSWER, segments=4), replace(LIVE, minute_left=1, day_left=1)) is None


def test_only_an_incomplete_ledger_and_the_next_minute_are_waited_for() -> None:
    refusals = {state: why_not(ANSWER, facts) for state, facts in STATES.items()}
    assert [s for s, refusal in refusals.items() if refusal and refusal.for_now] == [
        "ledger incomplete",
        "customer's minute",
    ]
    assert all(refusal.do for refusal in refusals.values() if refusal)
