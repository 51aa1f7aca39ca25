"""Which numbers are approved for 10DLC, and what is said about those that are not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connectors.registration import Brand, Campaign, OwnedNumber, Registration, Service
from connectors.ten_dlc import NEVER_LOOKED, Filtering, Verdict, judge, told_by_carriers

NUMBER = OwnedNumber("PN1", "+15550100001", sends_sms=True)
SERVICE = Service("MG1", "Front desk", defers_to_number=True)
CAMPAIGN = Campaign("QE1", "BN1", "VERIFIED")
BRAND = Brand("BN1", "APPROVED")
IN_ORDER = Registration(NUMBER.number, NUMBER, SERVICE, (CAMPAIGN,), BRAND)


def with_campaign(**changes: object) -> Registration:
    return replace(IN_ORDER, campaigns=(replace(CAMPAIGN, **changes),))  # type: ignore[arg-type]


def with_brand(**changes: object) -> Registration:
    return replace(IN_ORDER, brand=replace(BRAND, **changes))  # type: ignore[arg-type]


APPROVED, REFUSED, UNKNOWN = Verdict.APPROVED, Verdict.REFUSED, Verdict.UNKNOWN
TABLE = [
    (IN_ORDER, APPROVED, "approved", "verified"),
    (Registration("24365"), REFUSED, "short_code", "short code"),
    (Registration("+442071838750"), REFUSED, "not_us", "no number of the US"),
    (Registration("+18005550100"), REFUSED, "toll_free", "toll-free"),
    (replace(IN_ORDER, number="+18885550100"), REFUSED, "toll_free", "another way than 10DLC"),
    (Registration(NUMBER.number), REFUSED, "not_owned", "check TWILIO_NUMBERS"),
    (replace(IN_ORDER, owned=replace(NUMBER, sends_sms=False)), REFUSED, "no_sms", "cannot send"),
    (Registration(NUMBER.number, NUMBER), REFUSED, "no_service", "sender pool"),
    (Registration(NUMBER.number, NUMBER, SERVICE), REFUSED, "no_campaign", "MG1 has no campaign"),
    (with_campaign(status="PENDING"), REFUSED, "campaign_pending", "wait"),
    (with_campaign(status="IN_PROGRESS"), REFUSED, "campaign_in_progress", "wait"),
    (
        with_campaign(status="FAILED", errors=("30909 no opt-in to be found",)),
        REFUSED,
        "campaign_failed",
        "30909 no opt-in",
    ),
    (with_campaign(status="SUSPENDED"), REFUSED, "campaign_suspended", "stop sending"),
    (with_campaign(status="A_NEW_WORD"), REFUSED, "campaign_a_new_word", "support"),
    (with_campaign(mock=True), REFUSED, "campaign_mock", "mock"),
    (with_brand(status="FAILED", failure="the EIN is wrong"), REFUSED, "brand_failed", "the EIN"),
    (with_brand(status="IN_REVIEW"), REFUSED, "brand_in_review", "wait"),
    (with_brand(status="SUSPENDED"), REFUSED, "brand_suspended", "stop sending"),
    (with_brand(mock=True), REFUSED, "brand_mock", "mock"),
    (replace(IN_ORDER, brand=None), UNKNOWN, "brand_unreadable", "Console"),
]


@pytest.mark.parametrize(("found", "verdict", "reason", "said"), TABLE, ids=[r[2] for r in TABLE])
def test_the_first_broken_link_is_named(
    found: Registration, verdict: Verdict, reason: str, said: str
) -> None:
    standing = judge(found)
    assert (standing.verdict, standing.reason) == (verdict, reason)
    assert said in str(standing)


@pytest.mark.parametrize("row", TABLE, ids=[r[2] for r in TABLE])
def test_what_is_not_well_comes_with_what_to_do(
    row: tuple[Registration, Verdict, str, str],
) -> None:
    standing = judge(row[0])
    assert bool(standing.do) == (standing.verdict is not APPROVED)


def test_a_service_with_one_verified_campaign_among_others_will_do() -> None:
    failed = replace(CAMPAIGN, sid="QE0", status="FAILED")
    assert judge(replace(IN_ORDER, campaigns=(failed, CAMPAIGN))).verdict is APPROVED


@pytest.mark.parametrize("code", [30018, 30024, 30032, 30033, 30034, 30035, 30040, 30125])
def test_a_report_that_carriers_do_not_know_the_number_outweighs_the_campaign(code: int) -> None:
    standing = told_by_carriers(judge(IN_ORDER), frozenset({code}))
    assert (standing.verdict, standing.code) == (REFUSED, code)
    assert f"error {code}" in standing.seen
    assert standing.do


def test_a_filtered_message_is_told_but_the_number_stays_approved() -> None:
    standing = told_by_carriers(judge(IN_ORDER), frozenset({30007}))
    assert (standing.verdict, standing.reason, standing.code) == (APPROVED, "filtered", 30007)
    assert "review" in standing.do


@pytest.mark.parametrize(
    ("filtered", "reports", "silent"),
    [(1, 1, False), (4, 4, False), (5, 5, True), (5, 10, True), (5, 11, False), (60, 200, False)],
)
def test_a_number_whose_messages_are_mostly_filtered_falls_silent(
    filtered: int, reports: int, silent: bool
) -> None:
    counted = Filtering(filtered, reports)
    standing = told_by_carriers(judge(IN_ORDER), frozenset({30007}), counted)
    assert (standing.verdict is REFUSED) == silent
    assert standing.reason == ("mostly_filtered" if silent else "filtered")
    assert "review what the assistant writes" in standing.do


def test_of_several_reports_the_worst_counts() -> None:
    assert told_by_carriers(judge(IN_ORDER), frozenset({30007, 30034})).code == 30034
    refused = judge(with_campaign(status="FAILED"))
    assert told_by_carriers(refused, frozenset({30007})) == refused


def test_without_reports_nothing_changes() -> None:
    assert told_by_carriers(NEVER_LOOKED, frozenset()) == NEVER_LOOKED
