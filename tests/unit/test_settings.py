"""Settings: complete, or one message that names everything that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.errors import SettingsError
from connectors.sentinel_url import SentinelUrl
from connectors.settings import PRETEND_NUMBER, Settings, pretend_token

REAL = {
    "TWILIO_ACCOUNT_SID": "AC" + "1" * 32,
    "TWILIO_AUTH_TOKEN": "made-up-token",
    "TWILIO_NUMBERS": "+15550100001",
}


def test_nothing_set_means_one_machine_without_an_account() -> None:
    settings = Settings.load({})
    assert settings.twilio.pretend
    assert settings.twilio.numbers == (PRETEND_NUMBER,)
    assert settings.twilio.api_base_url == "http://127.0.0.1:8010"
    assert settings.twilio.public_url == "http://127.0.0.1:5005"
    assert settings.embedded_redis
    assert settings.embedded_model
    assert settings.session_ttl_seconds == 86_400
    assert settings.reply_settle_ms == 400


def test_an_empty_value_counts_as_unset() -> None:
    assert Settings.load({"REDIS_URL": " ", "RASA_PORT": ""}) == Settings.load({})


def test_a_real_account_is_not_pretend() -> None:
    twilio = Settings.load(REAL).twilio
    assert not twilio.pretend
    assert twilio.api_base_url is None
    assert twilio.credentials == (REAL["TWILIO_ACCOUNT_SID"], "made-up-token")


def test_an_api_key_is_preferred_for_sending() -> None:
    key = {"TWILIO_API_KEY_SID": "SK1", "TWILIO_API_KEY_SECRET": "s"}
    assert Settings.load({**REAL, **key}).twilio.credentials == ("SK1", "s")


def test_several_tokens_and_numbers() -> None:
    more = {"TWILIO_AUTH_TOKEN": "new, old", "TWILIO_NUMBERS": "+15550100001, +15550100002"}
    twilio = Settings.load({**REAL, **more}).twilio
    assert twilio.auth_tokens == ("new", "old")
    assert twilio.numbers == ("+15550100001", "+15550100002")


def test_every_bad_setting_is_named_in_one_message() -> None:
    bad = {
        "TWILIO_ACCOUNT_SID": "nonsense",
        "TWILIO_API_KEY_SID": "SK1",
        "TWILIO_NUMBERS": "5550100001",
        "REDIS_URL": "127.0.0.1:6379",
        "LLM_BASE_URL": "http://[::1",
        "SESSION_TTL_SECONDS": "a day",
        "REPLY_SETTLE_MS": "-1",
        "RASA_PORT": "70000",
        "PUBLIC_URL": "https://user:secret@sms.example.com",
    }
    with pytest.raises(SettingsError) as raised:
        Settings.load(bad)
    message = str(raised.value)
    for name in (*bad, "TWILIO_AUTH_TOKEN", "TWILIO_API_KEY_SECRET"):
        assert name in message
    assert "secret" not in message


@pytest.mark.parametrize("name", ["TWILIO_AUTH_TOKEN", "TWILIO_NUMBERS"])
def test_an_account_is_set_whole(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.load({**REAL, name: ""})


def test_half_a_pretend_account_is_refused() -> None:
    with pytest.raises(SettingsError, match="TWILIO_ACCOUNT_SID is missing"):
        Settings.load({"TWILIO_AUTH_TOKEN": "made-up-token"})


def test_a_public_url_that_is_no_address_is_named() -> None:
    with pytest.raises(SettingsError, match="PUBLIC_URL must be an address"):
        Settings.load({"PUBLIC_URL": "https://[::1"})


def test_secrets_do_not_show() -> None:
    secret = {"REDIS_URL": "redis://:pass-word@h/0", "LLM_API_KEY": "k-1"}
    shown = repr(Settings.load({**REAL, **secret}))
    assert not any(each in shown for each in ("made-up-token", "pass-word", "k-1"))


def test_the_pretend_token_is_made_once_and_kept_private(tmp_path: Path) -> None:
    first = pretend_token(tmp_path / "var")
    assert len(first) == 32
    assert pretend_token(tmp_path / "var") == first
    assert [f.name for f in (tmp_path / "var").iterdir()] == ["pretend-twilio-token"]
    assert (tmp_path / "var" / "pretend-twilio-token").stat().st_mode & 0o077 == 0


def test_what_is_sent_how_fast_and_how_late() -> None:
    unset = Settings.load({})
    assert (unset.turns_at_once, unset.segments_per_second) == (64, None)
    assert (unset.late_reply, unset.late_reply_seconds) == ("apologise", 600)
    given = Settings.load({"SEGMENTS_PER_SECOND": "0.5", "LATE_REPLY": "drop"})
    assert (given.segments_per_second, given.late_reply) == (0.5, "drop")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SEGMENTS_PER_SECOND", "0"),
        ("SEGMENTS_PER_SECOND", "fast"),
        ("SEGMENTS_PER_SECOND", "1e3"),
        ("SEGMENTS_PER_SECOND", "nan"),
        ("LATE_REPLY", "Drop"),
        ("LATE_REPLY_SECONDS", "10"),
        ("TURNS_AT_ONCE", "0"),
    ],
)
def test_a_limit_that_is_none_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is '{value}'"):
        Settings.load({name: value})


SENTINELS = "redis+sentinel://ann:pa%23ss@h1:26379,h2,[::1]:26380/mymaster/2"


def test_redis_behind_sentinels_is_read() -> None:
    assert Settings.load({"REDIS_URL": SENTINELS}).redis_url == SENTINELS
    url = SentinelUrl.parse(SENTINELS)
    assert url.hosts == (("h1", 26379), ("h2", 26379), ("::1", 26380))
    assert (url.name, url.tls, url.login) == ("mymaster", False, {})
    assert url.server == "redis://ann:pa%23ss@host/2"
    assert "pa%23ss" not in repr(url)


def test_sentinels_may_have_a_password_and_certificates_of_their_own() -> None:
    query = "?ssl_ca_certs=/etc/ca.pem&sentinel_username=s&sentinel_password=of%20theirs"
    url = SentinelUrl.parse(f"rediss+sentinel://:x@h1/mymaster{query}")
    assert url.tls
    assert url.server == "rediss://:x@host/0?ssl_ca_certs=%2Fetc%2Fca.pem"
    assert url.login == {"username": "s", "password": "of theirs"}


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis+sentinel://h1:26379,h2:26379", "names no primary"),
        ("redis+sentinel://h1:26379/", "names no primary"),
        ("redis+sentinel://:pass-word@h1:x/mymaster/0", "no HOST:PORT"),
        ("redis+sentinel://:pass-word@h1,,h2/mymaster/0", "no HOST:PORT"),
        ("redis+sentinel:///mymaster/0", "no HOST:PORT"),
        ("redis+sentinel://h1/mymaster/first", "DATABASE is a number"),
        ("redis://h1:6379,h2:6379/0", r"redis\+sentinel://"),
        ("sentinel://h1/mymaster", r"redis\+sentinel://"),
    ],
)
def test_a_bad_address_of_sentinels_is_named_without_its_password(url: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as raised:
        Settings.load({"REDIS_URL": url})
    assert "pass-word" not in str(raised.value)
