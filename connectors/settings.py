"""Settings: the one room that reads the environment and `.env`, and checks what it finds."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from dotenv import dotenv_values

from connectors.errors import SettingsError
from connectors.sentinel_url import SCHEMES, SentinelUrl, is_sentinel_url

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var"

PRETEND_NUMBER = "+15550100001"
PRETEND_ACCOUNT_SID = "AC" + "0" * 31 + "1"
LOOPBACK = "127.0.0.1"
SESSION_LOG = "sqlite:///var/session_log.db"
SHORTEST_PASSWORD, LONGEST_PASSWORD = 10, 200
LATE_REPLIES = ("apologise", "drop")
NUMBER = re.compile(r"\+[1-9]\d{6,14}|\d{5,6}")  # E.164, or a short code

_DECIMAL = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
_ACCOUNT_SID = re.compile(r"AC[0-9a-zA-Z]{32}")
_T = TypeVar("_T")


@dataclass(frozen=True)
class Twilio:
    """The account that we receive from and send through."""

    account_sid: str
    given_tokens: tuple[str, ...] = field(repr=False)
    api_key: tuple[str, str] | None = field(repr=False)
    api_base_url: str | None
    numbers: tuple[str, ...]
    public_url: str
    pretend: bool
    # Nothing is sent from a number that is known not to be approved for 10DLC.
    strict_10dlc: bool = True
    # Twilio hears STOP and START on long codes and answers them, which only its support can change.
    answers_stop: bool = True

    @property
    def auth_tokens(self) -> tuple[str, ...]:
        """What webhooks may be signed with. The pretend Twilio's is made when first asked for."""
        return (pretend_token(),) if self.pretend else self.given_tokens

    @property
    def credentials(self) -> tuple[str, str]:
        """User and password for the REST API: the API key if there is one, else the first token."""
        return self.api_key or (self.account_sid, self.auth_tokens[0])


@dataclass(frozen=True)
class Model:
    """One OpenAI-compatible endpoint."""

    base_url: str
    api_key: str = field(repr=False)
    name: str


@dataclass(frozen=True)
class Limits:
    """Of each customer, how many texts are answered and how many segments they are sent; of all
    together, how many segments are sent. 0 is no limit."""

    texts_per_minute: int = 30
    texts_per_day: int = 500
    segments_per_day: int = 0
    customer_segments_per_minute: int = 60
    customer_segments_per_day: int = 1_000


NO_LIMITS = Limits(0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Settings:
    """Everything that can be set, checked. `Settings.load()` is how to get one."""

    twilio: Twilio
    redis_url: str = field(repr=False)
    session_ttl_seconds: int
    reply_settle_ms: int
    turns_at_once: int
    limits: Limits
    segments_per_second: float | None
    late_reply_seconds: int
    late_reply: str  # one of LATE_REPLIES
    assistants_folder: Path
    model: Model
    fallback_model: Model | None
    llm_calls_at_once: int
    embedded_redis: bool
    embedded_model: bool
    rasa_speed_fixes: bool
    rasa_port: int
    actions_port: int
    phone_port: int
    valkey_port: int
    model_port: int
    review_port: int
    session_log_url: str = field(repr=False)
    review_admin_password: str = field(repr=False)
    webhooks_to_private_hosts: bool

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the environment, and below it `.env`; an empty value counts as unset.

        Raises SettingsError, one line for each bad setting.
        """
        if environ is None:
            stored = {k: v or "" for k, v in dotenv_values(ROOT / ".env").items()}
            environ = {**stored, **os.environ}
        return _Reader(environ).settings()


class _Reader:
    """Collects what is wrong instead of stopping at the first thing."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.problems: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        return self.environ.get(name, "").strip() or default

    def whole(self, name: str, default: int, *, low: int, high: int) -> int:
        given = self.text(name)
        if not given:
            return default
        if not given.isascii() or not given.isdigit() or not low <= int(given) <= high:
            return self.bad(
                f"{name} is {given!r}; it must be a whole number from {low} to {high}", default
            )
        return int(given)

    def switch(self, name: str, *, default: bool) -> bool:
        given = self.text(name, "on" if default else "off").lower()
        return (
            self.checked(given, lambda: given in ("on", "off"), f"{name} must be on or off") == "on"
        )

    def rate(self, name: str, *, low: float, high: float) -> float | None:
        """A number with or without decimals; None if it is not set."""
        given = self.text(name)
        if not given:
            return None
        return self.checked(
            float(given) if _DECIMAL.fullmatch(given) else 0.0,
            lambda: bool(_DECIMAL.fullmatch(given)) and low <= float(given) <= high,
            f"{name} is {given!r}; it must be a number from {low:g} to {high:g}",
        )

    def word(self, name: str, known: tuple[str, ...]) -> str:
        """One of the words; the first is the default."""
        given = self.text(name, known[0])
        return self.checked(
            given, lambda: given in known, f"{name} is {given!r}; it must be {' or '.join(known)}"
        )

    def url(self, name: str, default: str, schemes: tuple[str, ...]) -> str:
        given = self.text(name, default).rstrip("/")
        return self.checked(
            given,
            lambda: (
                urlsplit(given).scheme in schemes
                and (bool(urlsplit(given).hostname) or urlsplit(given).scheme == "unix")
                and urlsplit(given).port != 0
            ),
            # The value is not repeated: it may carry a password.
            f"{name} must be an address that begins with {' or '.join(s + '://' for s in schemes)}",
        )

    def checked(self, value: _T, is_good: Callable[[], bool], problem: str) -> _T:
        try:
            good = is_good()
        except ValueError:  # urlsplit: a bracket or a port that is none
            good = False
        return value if good else self.bad(problem, value)

    def bad(self, problem: str, value: _T) -> _T:
        self.problems.append(problem)
        return value

    def settings(self) -> Settings:
        ports = {
            name: self.whole(name, default, low=1, high=65535)
            for name, default in (
                ("RASA_PORT", 5005),
                ("ACTIONS_PORT", 5055),
                ("PHONE_PORT", 8010),
                ("VALKEY_PORT", 5079),
                ("MODEL_PORT", 5080),
                ("REVIEW_PORT", 8000),
            )
        }
        redis_default = f"redis://{LOOPBACK}:{ports['VALKEY_PORT']}/0"
        model_default = f"http://{LOOPBACK}:{ports['MODEL_PORT']}/v1"
        settings = Settings(
            twilio=self.twilio(ports),
            redis_url=self.redis_url(redis_default),
            session_ttl_seconds=self.whole("SESSION_TTL_SECONDS", 86_400, low=1, high=30 * 86_400),
            reply_settle_ms=self.whole("REPLY_SETTLE_MS", 400, low=0, high=2_000),
            limits=self.limits(),
            turns_at_once=self.whole("TURNS_AT_ONCE", 64, low=1, high=1_000),
            segments_per_second=self.rate("SEGMENTS_PER_SECOND", low=0.1, high=1_000),
            # Twilio keeps a message for ten hours at most.
            late_reply_seconds=self.whole("LATE_REPLY_SECONDS", 600, low=60, high=36_000),
            late_reply=self.word("LATE_REPLY", LATE_REPLIES),
            assistants_folder=Path(self.text("ASSISTANTS_FOLDER") or ROOT / "assistants"),
            model=self.model("LLM_", model_default),
            fallback_model=self.model("LLM_FALLBACK_", "")
            if self.text("LLM_FALLBACK_BASE_URL")
            else None,
            llm_calls_at_once=self.whole("LLM_CALLS_AT_ONCE", 16, low=1, high=1_000),
            embedded_redis=not self.text("REDIS_URL"),
            embedded_model=not self.text("LLM_BASE_URL"),
            rasa_speed_fixes=self.switch("RASA_SPEED_FIXES", default=True),
            rasa_port=ports["RASA_PORT"],
            actions_port=ports["ACTIONS_PORT"],
            phone_port=ports["PHONE_PORT"],
            valkey_port=ports["VALKEY_PORT"],
            model_port=ports["MODEL_PORT"],
            review_port=ports["REVIEW_PORT"],
            session_log_url=self.session_log_url(),
            review_admin_password=self.admin_password(),
            webhooks_to_private_hosts=self.switch("WEBHOOKS_TO_PRIVATE_HOSTS", default=False),
        )
        if self.problems:
            raise SettingsError(
                "These settings must be mended before anything can start"
                " (environment or .env; .env.example explains each):\n"
                + "\n".join(f"  - {problem}" for problem in self.problems)
            )
        return settings

    def redis_url(self, default: str) -> str:
        """One server, or a name for it; or the primary that Sentinels know (see sentinel_url)."""
        given = self.text("REDIS_URL", default)
        if not is_sentinel_url(given):
            return self.url("REDIS_URL", default, ("redis", "rediss", "unix", *SCHEMES))
        try:
            SentinelUrl.parse(given)
        except ValueError as error:
            self.bad(
                f"REDIS_URL {error}; it looks like"
                " redis+sentinel://USER:PASSWORD@HOST:26379,HOST:26379/NAME/0",
                given,
            )
        return given

    def session_log_url(self) -> str:
        given = self.text("SESSION_LOG_URL", SESSION_LOG)
        return self.checked(
            given,
            lambda: (
                (len(given) > len("sqlite:///") and given.startswith("sqlite:///"))
                or given.startswith(("postgresql://", "postgresql+psycopg2://"))
            ),
            # The value is not repeated: it may carry a password.
            "SESSION_LOG_URL must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE",
        )

    def admin_password(self) -> str:
        given = self.text("REVIEW_ADMIN_PASSWORD")
        return self.checked(
            given,
            lambda: not given or SHORTEST_PASSWORD <= len(given) <= LONGEST_PASSWORD,
            f"REVIEW_ADMIN_PASSWORD must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters",
        )

    def limits(self) -> Limits:
        return Limits(
            self.whole("LIMIT_TEXTS_PER_MINUTE", Limits.texts_per_minute, low=0, high=10_000),
            self.whole("LIMIT_TEXTS_PER_DAY", Limits.texts_per_day, low=0, high=1_000_000),
            self.whole("LIMIT_SEGMENTS_PER_DAY", Limits.segments_per_day, low=0, high=10**9),
            self.whole(
                "LIMIT_CUSTOMER_SEGMENTS_PER_MINUTE",
                Limits.customer_segments_per_minute,
                low=0,
                high=100_000,
            ),
            self.whole(
                "LIMIT_CUSTOMER_SEGMENTS_PER_DAY",
                Limits.customer_segments_per_day,
                low=0,
                high=10**7,
            ),
        )

    def model(self, prefix: str, default_url: str) -> Model:
        return Model(
            base_url=self.url(prefix + "BASE_URL", default_url, ("http", "https")),
            # Endpoints without keys ignore it.
            api_key=self.text(prefix + "API_KEY", "none"),
            name=self.text(prefix + "MODEL", "default"),
        )

    def twilio(self, ports: Mapping[str, int]) -> Twilio:
        pretend = not self.text("TWILIO_ACCOUNT_SID")
        public_url = self.url(
            "PUBLIC_URL", f"http://{LOOPBACK}:{ports['RASA_PORT']}", ("http", "https")
        )
        if "@" in public_url or "?" in public_url:
            self.bad("PUBLIC_URL must have no user, password or query: Twilio signs without", "")
        if pretend:
            return self.pretend_twilio(ports, public_url)
        sid = self.text("TWILIO_ACCOUNT_SID")
        tokens = _listed(self.text("TWILIO_AUTH_TOKEN"))
        if not _ACCOUNT_SID.fullmatch(sid):
            self.bad("TWILIO_ACCOUNT_SID must be AC and 32 letters or digits", sid)
        if not tokens:
            self.bad("TWILIO_AUTH_TOKEN is missing: webhooks cannot be checked without it", tokens)
        return Twilio(
            account_sid=sid,
            given_tokens=tokens,
            api_key=self.api_key(),
            api_base_url=self.url("TWILIO_API_BASE_URL", "", ("http", "https"))
            if self.text("TWILIO_API_BASE_URL")
            else None,
            numbers=self.numbers(default=()),
            public_url=public_url,
            pretend=False,
            strict_10dlc=self.word("REQUIRE_10DLC", ("strict", "warn")) == "strict",
            answers_stop=self.answers_stop(),
        )

    def pretend_twilio(self, ports: Mapping[str, int], public_url: str) -> Twilio:
        for name in ("TWILIO_AUTH_TOKEN", "TWILIO_API_KEY_SID", "TWILIO_API_BASE_URL"):
            if self.text(name):
                self.bad(f"{name} is set, but TWILIO_ACCOUNT_SID is missing", "")
        return Twilio(
            account_sid=PRETEND_ACCOUNT_SID,
            given_tokens=(),
            api_key=None,
            api_base_url=f"http://{LOOPBACK}:{ports['PHONE_PORT']}",
            numbers=self.numbers(default=(PRETEND_NUMBER,)),
            public_url=public_url,
            pretend=True,
            strict_10dlc=self.word("REQUIRE_10DLC", ("warn", "strict")) == "strict",
            answers_stop=self.answers_stop(),
        )

    def answers_stop(self) -> bool:
        return self.word("STOP_ANSWERED_BY", ("twilio", "us")) == "twilio"

    def api_key(self) -> tuple[str, str] | None:
        sid, secret = self.text("TWILIO_API_KEY_SID"), self.text("TWILIO_API_KEY_SECRET")
        if bool(sid) != bool(secret):
            self.bad("TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET must be set together", "")
        return (sid, secret) if sid and secret else None

    def numbers(self, default: tuple[str, ...]) -> tuple[str, ...]:
        numbers = _listed(self.text("TWILIO_NUMBERS")) or default
        if not numbers:
            self.bad("TWILIO_NUMBERS is missing: which numbers are ours? (+15550100001,+1...)", "")
        for number in numbers:
            if not NUMBER.fullmatch(number):
                self.bad(f"TWILIO_NUMBERS has {number!r}; numbers look like +15550100001", "")
        return numbers


def pretend_token(folder: Path = VAR) -> str:
    """The pretend Twilio's auth token: made up once for each checkout, shared by its processes.

    Random rather than fixed, so that a stranger cannot sign webhooks for a rehearsal either.
    """
    kept = folder / "pretend-twilio-token"
    try:
        return kept.read_text().strip()
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        fresh = folder / f"pretend-twilio-token.{secrets.token_hex(4)}"
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_hex(16))
        try:
            os.link(fresh, kept)  # of two processes that start together, one wins
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
        return kept.read_text().strip()


def is_loopback(url: str) -> bool:
    """Does the address stand for this machine alone?"""
    return urlsplit(url).hostname in (LOOPBACK, "localhost", "::1")


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
