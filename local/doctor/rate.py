"""How much a campaign may send, as far as its papers tell. Pure.

Carriers set these limits and change them; docs/10dlc.md says where the figures come from.
"""

from __future__ import annotations

from connectors.registration import Brand, Campaign

# A brand's score, and segments per second for all carriers together.
_BY_SCORE = ((75, 225.0), (50, 120.0), (0, 12.0))
_LOW_VOLUME, _SOLE_PROPRIETOR = 3.75, 1.0
# T-Mobile counts a brand's segments by the day, over all of its campaigns.
_BY_TIER = {"TOP": 200_000, "UPPER_MID": 40_000, "LOWER_MID": 10_000, "LOW": 2_000}


def per_second(campaign: Campaign, brand: Brand) -> float:
    """About how many segments Twilio sends per second for all numbers of the campaign."""
    if "SOLE_PROPRIETOR" in (brand.type, campaign.use_case):
        return _SOLE_PROPRIETOR
    if campaign.use_case == "LOW_VOLUME":
        return _LOW_VOLUME
    return next(rate for score, rate in _BY_SCORE if (brand.score or 0) >= score)


def per_day(campaign: Campaign, brand: Brand) -> int | None:
    """About how many segments T-Mobile takes from the brand in a day; None if nobody says."""
    if "SOLE_PROPRIETOR" in (brand.type, campaign.use_case):
        return 1_000
    return _BY_TIER.get(campaign.tmobile_tier.upper())


def in_words(campaign: Campaign, brand: Brand) -> str:
    score = "no score" if brand.score is None else f"score {brand.score}"
    words = f"about {per_second(campaign, brand):g} segments a second ({score})"
    daily = per_day(campaign, brand)
    tier = f", T-Mobile {daily} a day" if daily else ""
    att = f", AT&T class {campaign.att_class}" if campaign.att_class else ""
    return words + tier + att
