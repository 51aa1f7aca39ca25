"""Parts: the processes of a running assistant, what each may know, and where it answers."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from connectors.settings import LOOPBACK, ROOT, SESSION_LOG, Settings
from connectors.wire import HEALTH_PATH, WEBHOOK_PATH
from local import valkey

# Secrets by the part that needs them. An empty value hides the one in .env, too.
TWILIO_SECRETS = (
    "TWILIO_ACCOUNT_SID",
    "TWILIO_AUTH_TOKEN",
    "TWILIO_API_KEY_SID",
    "TWILIO_API_KEY_SECRET",
    "TWILIO_API_BASE_URL",  # no secret, but a mistake without the account
)
REDIS_SECRETS = ("REDIS_URL",)
MODEL_SECRETS = ("LLM_API_KEY", "LLM_FALLBACK_API_KEY")
LOG_SECRETS = ("SESSION_LOG_URL",)
REVIEW_SECRETS = (*LOG_SECRETS, "REVIEW_ADMIN_PASSWORD")
EVERYWHERE = {
    "PYTHONUNBUFFERED": "1",
    "RASA_TELEMETRY_ENABLED": "false",  # customers' business is not Rasa's, and a network may lack
    "TF_CPP_MIN_LOG_LEVEL": "3",  # no lecture on missing GPUs
    "CUDA_VISIBLE_DEVICES": "-1",
    "SQLALCHEMY_SILENCE_UBER_WARNING": "1",
}
ACTION_SERVER = {
    "SANIC_HOST": LOOPBACK,  # it asks nobody for a password
    # Rasa keeps a connection for 15 s; who closes it sooner loses the turn that just uses it.
    "SANIC_KEEP_ALIVE_TIMEOUT": "75",
    "SANIC_RESPONSE_TIMEOUT": "300",  # as long as Rasa waits; the action has its own deadline
}


@dataclass(frozen=True)
class Part:
    """One process. Those of a higher `layer` lean on the lower ones, so they stop first."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    address: str
    layer: int
    folder: Path = ROOT
    patience: float = 3.0  # seconds to stop in, before it is killed


def services(settings: Settings, state: Path) -> list[Part]:
    """What a Rasa project takes for granted, where the settings name none from outside."""
    parts = [_valkey(settings, state)] if settings.embedded_redis else []
    parts += [_model(settings)] if settings.embedded_model else []
    parts += [_phone(settings)] if settings.twilio.pretend else []
    return parts


def behind_shell(settings: Settings, state: Path) -> list[Part]:
    """`rasa shell` talks to nobody's phone."""
    needed = [part for part in services(settings, state) if part.name != "phone"]
    return [*needed, _actions(settings)]


def everything(settings: Settings, state: Path) -> list[Part]:
    below = services(settings, state)
    return [
        *below,
        _actions(settings),
        _review(settings, state, below),
        _rasa(settings, state, below),
    ]


def ports(settings: Settings, parts: Sequence[Part]) -> dict[str, int]:
    """The ports that these parts will listen on, by the setting that moves them."""
    numbers = {
        "valkey": settings.valkey_port,
        "model": settings.model_port,
        "phone": settings.phone_port,
        "actions": settings.actions_port,
        "rasa": settings.rasa_port,
        "review": settings.review_port,
    }
    return {f"{part.name.upper()}_PORT": numbers[part.name] for part in parts}


def addresses(settings: Settings, parts: Sequence[Part]) -> dict[str, str]:
    """What a person or a script wants to know, ours and outside ones, without passwords."""
    names = {part.name for part in parts}
    rasa = f"http://{LOOPBACK}:{settings.rasa_port}"
    found = {}
    if "phone" in names:
        found["phone page"] = f"http://{LOOPBACK}:{settings.phone_port}/"
    if "review" in names:
        found["session logs"] = f"http://{LOOPBACK}:{settings.review_port}/"
    if "rasa" in names:
        found["webhook"] = settings.twilio.public_url + WEBHOOK_PATH
        found["health"] = rasa + HEALTH_PATH
    if "actions" in names:
        found["actions"] = f"http://{LOOPBACK}:{settings.actions_port}/health"
    found["model"] = _without_password(settings.model.base_url)
    found["redis"] = _without_password(settings.redis_url)
    return found


def child_environ(environ: Mapping[str, str], hidden: Sequence[str] = ()) -> dict[str, str]:
    """The machine's environment, quiet, without the secrets that this part has no use for."""
    # A proxy for the world outside must not be asked for what runs on this machine.
    direct = ",".join(filter(None, [environ.get("NO_PROXY", ""), LOOPBACK, "localhost"]))
    proxies = {"NO_PROXY": direct, "no_proxy": direct}
    return {**environ, **EVERYWHERE, **proxies, **dict.fromkeys(hidden, "")}


def _valkey(settings: Settings, state: Path) -> Part:
    environ = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
    address = f"{LOOPBACK}:{settings.valkey_port}"
    command = valkey.command(settings.valkey_port)
    return Part("valkey", command, environ, address, layer=0, folder=state / "valkey")


def _model(settings: Settings) -> Part:
    hidden = (*TWILIO_SECRETS, *REDIS_SECRETS, *MODEL_SECRETS)
    address = f"http://{LOOPBACK}:{settings.model_port}/health"
    return _python("model", ["local.model"], hidden, address, layer=1)


def _phone(settings: Settings) -> Part:
    hidden = (*REDIS_SECRETS, *MODEL_SECRETS)
    address = f"http://{LOOPBACK}:{settings.phone_port}/health"
    return _python("phone", ["local.pretend_twilio"], hidden, address, layer=1)


def _actions(settings: Settings) -> Part:
    command = [
        "local.quietly",
        "rasa_sdk",
        "--actions",
        "actions",
        "--port",
        str(settings.actions_port),
    ]
    address = f"http://{LOOPBACK}:{settings.actions_port}/health"
    part = _python("actions", command, TWILIO_SECRETS, address, layer=1)
    return replace(part, environ={**part.environ, **ACTION_SERVER})


def _review(settings: Settings, state: Path, below: Sequence[Part]) -> Part:
    first = [part.address for part in below if part.name == "valkey"]
    command = ["local.ready", *first, "--", sys.executable, "-m", "review"]
    address = f"http://{LOOPBACK}:{settings.review_port}/sign-in"
    part = _python("review", command, MODEL_SECRETS, address, layer=1)
    return replace(part, environ=_with_session_log(part, REVIEW_SECRETS, settings, state))


def _with_session_log(
    part: Part, secrets: Sequence[str], settings: Settings, state: Path
) -> dict[str, str]:
    """The part's environment with these secrets, which the others do not have."""
    # An empty value would hide the one in .env.
    shown = {name: value for name, value in part.environ.items() if name not in secrets}
    shown |= {name: os.environ[name] for name in secrets if name in os.environ}
    if settings.session_log_url == SESSION_LOG:
        shown["SESSION_LOG_URL"] = f"sqlite:///{(state / 'session_log.db').absolute()}"
    return shown


def _rasa(settings: Settings, state: Path, below: Sequence[Part]) -> Part:
    # Rasa asks for its Redis and its Twilio once, at the start.
    first = [part.address for part in below if part.name != "model"]
    run = ["local.quietly", "rasa", "run", "-i", LOOPBACK, "-p", str(settings.rasa_port)]
    command = ["local.ready", *first, "--", sys.executable, "-m", *run]
    address = f"http://{LOOPBACK}:{settings.rasa_port}{HEALTH_PATH}"
    part = _python("rasa", command, (), address, layer=2)
    # Opt-outs are read back from there when Redis has lost them, and written there at once.
    environ = _with_session_log(part, LOG_SECRETS, settings, state)
    return replace(part, environ=environ, patience=8.0)


def _python(
    name: str, module: Sequence[str], hidden: Sequence[str], address: str, *, layer: int
) -> Part:
    command = [sys.executable, "-m", *module]
    environ = child_environ(os.environ, (*hidden, *REVIEW_SECRETS))
    return Part(name, command, environ, address, layer)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
