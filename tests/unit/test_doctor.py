"""What the doctor makes of what it sees: judgements without a patient."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connectors.assistant import Assistant
from connectors.registration import Brand, Campaign, Registration
from connectors.settings import Settings
from local.doctor import rate, redis, running, twilio, words
from local.doctor.public_url import Answers, judge

URL = "https://sms.example.com"


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (Answers(403, 403), "refuses what is signed for it"),
        (Answers(200, 200), "takes what nobody signed"),
        (Answers(204, 204), "takes what nobody signed"),
        (Answers(308, 308, "https://www.example.com/x?token=1"), "leads on to https://www.ex"),
        (Answers(404, 404), "answers 404: it leads elsewhere"),
        (Answers(502, 502), "the proxy finds nobody behind it"),
        (Answers(403, 503), "answers 503 to what is signed"),
    ],
)
def test_a_door_that_does_not_answer_as_ours_is_named(answers: Answers, said: str) -> None:
    finding = judge(URL, answers)
    assert finding.well is False
    assert said in finding.seen
    assert finding.do
    assert "token" not in str(finding).replace("AUTH_TOKEN", "")


def test_a_door_that_knows_twilios_signature_is_well() -> None:
    assert judge(URL, Answers(403, 400)).well is True


@pytest.mark.parametrize(
    ("ahead", "well", "said"),
    [
        (0.4, True, "0 s ahead"),
        (-12.0, True, "12 s behind"),
        (-95.0, False, "95 s behind"),
        (3600.0, False, "3600 s ahead"),
        (None, None, "no date"),
    ],
)
def test_the_clock_may_be_off_by_half_a_minute(
    ahead: float | None, well: bool | None, said: str
) -> None:
    finding = twilio.clock(ahead)
    assert (finding.well, said in finding.seen) == (well, True)


def test_words_are_compared_as_they_are_read() -> None:
    shop = Assistant("shop", "Shop", "You are kind.", contact="555").finished()
    wrapped = shop.texts.help.replace(" ", "\n ", 1)
    same = Campaign("QE", "BN", "VERIFIED", help=wrapped, opted_out=shop.texts.opted_out)
    assert "as registered" in words.compare("Words", same, shop).seen
    other = words.compare("Words", replace(same, opted_in="Welcome!"), shop)
    assert (other.well, other.seen.split()[0]) == (False, "START")
    assert "left to Twilio" in words.compare("Words", Campaign("QE", "BN", "VERIFIED"), shop).seen


def test_redis_must_keep_what_it_is_given() -> None:
    assert redis.persistence({"aof_enabled": 1}).well
    assert not redis.persistence({"aof_enabled": 0}).well
    full = redis.persistence({"aof_enabled": 1, "aof_last_write_status": "err"})
    assert "disk" in full.do
    for policy, lost in (("always", "nothing"), ("everysec", "2 s"), ("no", "30 s")):
        assert lost in redis.persistence({"aof_enabled": 1}, {"appendfsync": policy}).seen
    assert redis.eviction({"maxmemory_policy": "noeviction"}).well
    assert "noeviction" in redis.eviction({"maxmemory_policy": "allkeys-lru"}).do


REPLICA = {"ip": "10.0.0.2", "port": 6379, "state": "online", "offset": 1, "lag": 3}


@pytest.mark.parametrize(
    ("server", "least", "well", "seen"),
    [
        ({"role": "master", "connected_slaves": 0}, "0", True, "one server"),
        ({"role": "slave"}, "0", False, "a replica, which takes no writes"),
        (
            {"role": "master", "connected_slaves": 1, "slave0": REPLICA},
            "0",
            False,
            "1 replicas, 3 s behind at most: a failover loses what they lack",
        ),
        (
            {"role": "master", "connected_slaves": 1, "slave0": REPLICA},
            "1",
            True,
            "a failover loses at most the last 2 s",
        ),
        ({"role": "master", "connected_slaves": 1, "slave0": REPLICA}, "", None, "is not told"),
    ],
)
def test_what_a_failover_of_redis_loses_is_told(
    server: dict[str, object], least: str, well: bool | None, seen: str
) -> None:
    config = {"min-replicas-to-write": least, "min-replicas-max-lag": "2"} if least else {}
    finding = redis.replication(server, config)
    assert finding.well is well
    assert seen in finding.seen


@pytest.mark.parametrize(
    ("use_case", "tier", "brand", "per_second", "per_day"),
    [
        ("CUSTOMER_CARE", "TOP", Brand("BN", "APPROVED", "STANDARD", 90), 225, 200_000),
        ("CUSTOMER_CARE", "UPPER_MID", Brand("BN", "APPROVED", "STANDARD", 50), 120, 40_000),
        ("CUSTOMER_CARE", "LOW", Brand("BN", "APPROVED", "STANDARD", 49), 12, 2_000),
        ("CUSTOMER_CARE", "", Brand("BN", "APPROVED", "STANDARD", None), 12, None),
        ("LOW_VOLUME", "", Brand("BN", "APPROVED", "STANDARD", 90), 3.75, None),
        ("SOLE_PROPRIETOR", "", Brand("BN", "APPROVED", "SOLE_PROPRIETOR"), 1, 1_000),
    ],
)
def test_the_rate_follows_from_score_use_case_and_tier(
    use_case: str, tier: str, brand: Brand, per_second: float, per_day: int | None
) -> None:
    campaign = Campaign("QE", "BN", "VERIFIED", use_case=use_case, tmobile_tier=tier)
    assert rate.per_second(campaign, brand) == per_second
    assert rate.per_day(campaign, brand) == per_day
    assert f"{per_second:g} segments a second" in rate.in_words(campaign, brand)


def test_a_number_that_is_new_in_the_settings_is_no_strangers() -> None:
    """Nothing has been restarted yet."""
    settings = Settings.load({"TWILIO_NUMBERS": "+15550100001,+15550100002"})
    [found] = twilio.about(settings, Registration("+15550100002"), None)
    assert "learns of numbers at its start" in found.seen
    assert found.do == "restart `make run`"
    assert running.judge(["+1***0001"], ["+1***0001", "+1***0002"]).well is False
    assert running.judge(["+1***0001"], ["+1***0001", "+1***0001"]).well is False
    assert running.judge(["+1***0002", "+1***0001"], ["+1***0001"]).well is True
