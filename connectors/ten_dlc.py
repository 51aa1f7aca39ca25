"""10DLC: may this number text people in the US? Judges what Twilio and the carriers say. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from connectors.registration import Registration

TOLL_FREE_CODES = frozenset({"800", "833", "844", "855", "866", "877", "888"})
_SHORT_CODE = re.compile(r"\d{5,6}")
_NORTH_AMERICAN = re.compile(r"\+1(\d{3})\d{7}")


class Verdict(str, Enum):
    """What is known. Only `REFUSED` is known not to be approved."""

    APPROVED = "approved"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Standing:
    """Whether a number may answer: `reason` for programs, `seen` and `do` for people.

    `code` is the error code of the delivery report that told, 0 where the registration did.
    """

    verdict: Verdict
    reason: str
    seen: str
    do: str = ""
    code: int = 0

    def __str__(self) -> str:
        return f"{self.seen}; {self.do}" if self.do else self.seen


NEVER_LOOKED = Standing(Verdict.UNKNOWN, "never_looked", "nobody has asked Twilio yet")


def judge(found: Registration) -> Standing:
    """The first link that is broken between the number and an approved brand, or its approval."""
    for link in _CHAIN:
        if broken := link(found):
            return broken
    campaign = found.campaign
    assert campaign is not None  # a link of the chain
    seen = f"campaign {campaign.sid} is verified, its brand is approved"
    return Standing(Verdict.APPROVED, "approved", seen)


def _refused(reason: str, seen: str, do: str) -> Standing:
    return Standing(Verdict.REFUSED, reason, seen, do)


def _is_long_code(found: Registration) -> Standing | None:
    if _SHORT_CODE.fullmatch(found.number):
        return _refused(
            "short_code",
            "it is a short code, which carriers approve by a programme of their own",
            "use a ten-digit number, or set REQUIRE_10DLC=warn if the short code is approved",
        )
    area = _NORTH_AMERICAN.fullmatch(found.number)
    if area is None:
        return _refused(
            "not_us",
            "it is no number of the US, and 10DLC is for those",
            "use a US number, or set REQUIRE_10DLC=warn if you text no one in the US",
        )
    if area[1] in TOLL_FREE_CODES:
        return _refused(
            "toll_free",
            "it is a toll-free number, which is verified by another way than 10DLC",
            "use a ten-digit number, or set REQUIRE_10DLC=warn once Twilio has verified this one",
        )
    return None


def _is_ours(found: Registration) -> Standing | None:
    if found.owned is None:
        return _refused(
            "not_owned",
            "it does not belong to the account",
            "check TWILIO_NUMBERS and TWILIO_ACCOUNT_SID",
        )
    if not found.owned.sends_sms:
        return _refused("no_sms", "it cannot send SMS", "buy a number with the SMS capability")
    return None


def _is_in_a_campaign(found: Registration) -> Standing | None:
    if found.service is None:
        return _refused(
            "no_service",
            "it is in no Messaging Service, and so in no campaign",
            "add it to the sender pool of the Service that the campaign belongs to",
        )
    if not found.campaigns:
        return _refused(
            "no_campaign",
            f"its Messaging Service {found.service.sid} has no campaign",
            "register one (docs/10dlc.md), or move the number to the Service that has one",
        )
    return None


def _campaign_is_verified(found: Registration) -> Standing | None:
    campaign = found.campaign
    if campaign is None or campaign.is_verified:
        return None
    if campaign.mock:
        return _refused("campaign_mock", "its campaign is a mock", "register a real one")
    status = campaign.status.upper() or "without a status"
    seen = f"its campaign {campaign.sid} is {status}"
    if campaign.errors:
        seen += f" ({'; '.join(campaign.errors)})"
    return _refused(f"campaign_{status.lower()}", seen, _ABOUT_CAMPAIGN.get(status, _ASK_TWILIO))


def _brand_is_approved(found: Registration) -> Standing | None:
    brand = found.brand
    if brand is None:
        return Standing(
            Verdict.UNKNOWN,
            "brand_unreadable",
            "its campaign is verified, but these credentials may not read the brand",
            "look the brand up in the Console, or use a key that may read it",
        )
    if brand.mock:
        return _refused("brand_mock", "its brand is a mock", "register a real one")
    status = brand.status.upper() or "without a status"
    if status == "APPROVED":
        return None
    seen = f"its brand {brand.sid} is {status}" + (f" ({brand.failure})" if brand.failure else "")
    return _refused(f"brand_{status.lower()}", seen, _ABOUT_BRAND.get(status, _ASK_TWILIO))


_CHAIN: tuple[Callable[[Registration], Standing | None], ...] = (
    _is_long_code,
    _is_ours,
    _is_in_a_campaign,
    _campaign_is_verified,
    _brand_is_approved,
)

_ASK_TWILIO = "open it in the Console, or ask Twilio's support"
_WAIT = "wait: a review takes days, and nothing here can hurry it"
_ABOUT_CAMPAIGN = {
    "PENDING": _WAIT,
    "IN_PROGRESS": _WAIT,
    "FAILED": "mend what the reviewers name and submit it again (docs/10dlc.md)",
    "SUSPENDED": "stop sending, and ask Twilio's support why",
}
_ABOUT_BRAND = {
    "PENDING": _WAIT,
    "IN_REVIEW": _WAIT,
    "FAILED": "mend the business profile and submit it again (docs/10dlc.md)",
    "SUSPENDED": "stop sending, and ask Twilio's support why",
}

# What delivery reports tell. Error code: reason, what it means, what to do.
UNREGISTERED = {
    30018: ("sender_unregistered", "a carrier does not know the sender", "wait, then ask Twilio"),
    30024: ("number_pending", "a carrier has not set the number up yet", "wait some hours"),
    30032: (
        "toll_free",
        "the toll-free number is not verified",
        "verify it, or use a ten-digit one",
    ),
    30033: ("campaign_suspended", "its campaign is suspended", "ask Twilio's support why"),
    30034: (
        "number_unregistered",
        "the number is in no approved campaign",
        "add it to the Messaging Service of an approved campaign",
    ),
    30035: ("number_pending", "the number is still being set up for 10DLC", "wait some hours"),
    30040: ("number_pending", "a carrier has not set the number up yet", "wait some hours"),
    30125: ("number_unregistered", "the number could not be registered", "ask Twilio's support"),
}
# Somebody's words were filtered. One message says nothing about the number; when most of them are,
# carriers hold the number itself for spam, and each further message makes that worse.
FILTERED = 30007
FILTERED_AT_LEAST = 5
FILTERED_SHARE = 0.5
FILTERED_SECONDS = 3600
_ABOUT_FILTERING = "review what the assistant writes (docs/10dlc.md)"
TELLING = frozenset(UNREGISTERED) | {FILTERED}


@dataclass(frozen=True)
class Filtering:
    """Of the last reports on a number's messages, from the first that was filtered on and for an
    hour, how many were."""

    filtered: int = 0
    reports: int = 0

    @property
    def is_grave(self) -> bool:
        share = self.filtered / max(self.reports, 1)
        return self.filtered >= FILTERED_AT_LEAST and share >= FILTERED_SHARE


def told_by_carriers(
    standing: Standing, codes: frozenset[int], filtering: Filtering = Filtering()
) -> Standing:
    """The standing, in the light of what delivery reports said lately.

    No field of Twilio's API tells whether carriers know one number, so a report that they do not
    outweighs a verified campaign. So does it when they filter most of what it sends.
    """
    for code in sorted(codes & UNREGISTERED.keys()):
        reason, seen, do = UNREGISTERED[code]
        return Standing(Verdict.REFUSED, reason, f"error {code}: {seen}", do, code)
    if standing.verdict is Verdict.REFUSED:
        return standing
    if filtering.is_grave:
        seen = f"carriers filtered {filtering.filtered} of its last {filtering.reports} messages"
        return Standing(Verdict.REFUSED, "mostly_filtered", seen, _ABOUT_FILTERING, FILTERED)
    if FILTERED in codes:
        do = f"a carrier filtered a message: {_ABOUT_FILTERING}"
        return Standing(standing.verdict, "filtered", standing.seen, do, FILTERED)
    return standing
