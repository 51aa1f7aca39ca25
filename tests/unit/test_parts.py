"""Parts: which ones run, on which ports, and what each of them may know."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.settings import Settings
from local import parts
from local.parts import Part

STATE = Path("/state")
SECRETS = {
    "TWILIO_ACCOUNT_SID": "AC" + "1" * 32,
    "TWILIO_AUTH_TOKEN": "the-auth-token",
    "TWILIO_API_KEY_SID": "SK" + "1" * 32,
    "TWILIO_API_KEY_SECRET": "the-key-secret",
    "TWILIO_NUMBERS": "+15550100001",
    "REDIS_URL": "redis://user:the-redis-password@redis.example:6379/1",
    "LLM_BASE_URL": "https://user:the-model-password@models.example/v1?key=the-model-password",
    "LLM_API_KEY": "the-model-key",
    "SESSION_LOG_URL": "postgresql://user:the-sql-password@sql.example/log",
    "REVIEW_ADMIN_PASSWORD": "the-admin-password",
}


def names(found: list[Part]) -> list[str]:
    return [part.name for part in found]


def test_with_nothing_set_every_part_runs() -> None:
    settings = Settings.load({})
    assert names(parts.everything(settings, STATE)) == [
        *("valkey", "model", "phone", "actions", "review", "rasa")
    ]
    assert names(parts.services(settings, STATE)) == ["valkey", "model", "phone"]
    assert names(parts.behind_shell(settings, STATE)) == ["valkey", "model", "actions"]


def test_outside_services_leave_only_our_own_two() -> None:
    settings = Settings.load(SECRETS)
    assert names(parts.everything(settings, STATE)) == ["actions", "review", "rasa"]
    assert parts.services(settings, STATE) == []


def test_each_port_goes_by_the_setting_that_moves_it() -> None:
    settings = Settings.load({"MODEL_PORT": "7001", "RASA_PORT": "7002"})
    found = parts.ports(settings, parts.everything(settings, STATE))
    assert found == {
        "VALKEY_PORT": 5079,
        "MODEL_PORT": 7001,
        "PHONE_PORT": 8010,
        "ACTIONS_PORT": 5055,
        "RASA_PORT": 7002,
        "REVIEW_PORT": 8000,
    }
    assert all(hasattr(settings, name.lower()) for name in found)


def test_addresses_carry_no_password() -> None:
    settings = Settings.load(SECRETS)
    shown = parts.addresses(settings, parts.everything(settings, STATE))
    assert shown["redis"] == "redis://redis.example:6379/1"
    assert shown["model"] == "https://models.example/v1"
    assert "the-" not in str(shown)


def test_the_action_server_never_sees_the_twilio_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    actions, _, rasa = parts.everything(Settings.load(), STATE)
    assert not set(actions.environ.values()) & {
        SECRETS[name] for name in parts.TWILIO_SECRETS if name in SECRETS
    }
    # An empty value, not a missing one: .env would fill a missing one in again.
    assert {actions.environ[name] for name in parts.TWILIO_SECRETS} == {""}
    assert Settings.load(actions.environ).model.api_key == "the-model-key"
    assert rasa.environ["TWILIO_AUTH_TOKEN"] == "the-auth-token"


def test_who_knows_the_session_logs_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """The review app, and Rasa: without it a lost Redis would be the end of all opt-outs."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    actions, review, rasa = parts.everything(Settings.load(), STATE)
    assert Settings.load(review.environ).session_log_url == SECRETS["SESSION_LOG_URL"]
    assert Settings.load(review.environ).review_admin_password == "the-admin-password"
    assert review.environ["LLM_API_KEY"] == ""
    assert Settings.load(rasa.environ).session_log_url == SECRETS["SESSION_LOG_URL"]
    assert actions.environ["SESSION_LOG_URL"] == ""
    assert actions.environ["REVIEW_ADMIN_PASSWORD"] == rasa.environ["REVIEW_ADMIN_PASSWORD"] == ""


def test_a_session_log_of_ones_own_lies_with_the_rest_of_the_state() -> None:
    review, rasa = parts.everything(Settings.load({}), STATE)[-2:]
    for part in (review, rasa):
        assert part.environ["SESSION_LOG_URL"] == "sqlite:////state/session_log.db"


def test_no_embedded_part_sees_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LLM_API_KEY", "LLM_FALLBACK_API_KEY", "SOME_OTHER_TOKEN"):
        monkeypatch.setenv(name, "secret")
    valkey, model, phone = parts.services(Settings.load(), STATE)
    assert "secret" not in valkey.environ.values()
    for part in (model, phone):
        assert part.environ["LLM_API_KEY"] == part.environ["LLM_FALLBACK_API_KEY"] == ""


def test_children_reach_this_machine_past_any_proxy() -> None:
    environ = parts.child_environ({"HTTP_PROXY": "http://proxy:1", "NO_PROXY": "intranet"})
    assert environ["NO_PROXY"] == environ["no_proxy"] == "intranet,127.0.0.1,localhost"


def test_the_action_server_keeps_connections_longer_than_rasa_does() -> None:
    actions = parts.behind_shell(Settings.load({}), STATE)[-1]
    assert int(actions.environ["SANIC_KEEP_ALIVE_TIMEOUT"]) > 15
    assert actions.environ["SANIC_HOST"] == "127.0.0.1"


def test_what_leans_on_others_stops_before_them() -> None:
    layers = {part.name: part.layer for part in parts.everything(Settings.load({}), STATE)}
    assert layers["rasa"] > layers["actions"] > layers["valkey"]
    assert layers["rasa"] > layers["review"] > layers["valkey"]
    assert layers["rasa"] > layers["phone"] > layers["valkey"]


def test_everything_can_stop_within_fifteen_seconds() -> None:
    slowest: dict[int, float] = {}
    for part in parts.everything(Settings.load({}), STATE):
        slowest[part.layer] = max(part.patience, slowest.get(part.layer, 0))
    assert sum(slowest.values()) < 15
