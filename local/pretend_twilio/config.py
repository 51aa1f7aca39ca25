"""What a pretend Twilio has to be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone

from connectors.settings import Twilio
from connectors.wire import WEBHOOK_PATH


def now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass(frozen=True)
class PretendConfig:
    """One account. The first auth token signs; each of them opens the API."""

    account_sid: str
    auth_tokens: tuple[str, ...] = field(repr=False)
    numbers: tuple[str, ...]
    public_url: str
    api_key: tuple[str, str] | None = field(default=None, repr=False)
    # How long a message stays queued, sending and sent.
    queued_ms: int = 150
    sending_ms: int = 250
    sent_ms: int = 500
    # Twilio's own limits for a webhook, connect and all in all.
    connect_timeout_s: float = 5.0
    webhook_timeout_s: float = 15.0
    clock: Callable[[], datetime] = now

    @property
    def webhook_url(self) -> str:
        return self.public_url.rstrip("/") + WEBHOOK_PATH

    @classmethod
    def from_settings(cls, twilio: Twilio) -> PretendConfig:
        return cls(
            account_sid=twilio.account_sid,
            auth_tokens=twilio.auth_tokens,
            numbers=twilio.numbers,
            public_url=twilio.public_url,
            api_key=twilio.api_key,
        )
