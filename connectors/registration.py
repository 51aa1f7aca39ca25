"""What Twilio knows about a number of ours: its wiring, Service, campaign and brand. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OwnedNumber:
    """A number of the account, and where Twilio takes the texts that come to it."""

    sid: str
    number: str
    sends_sms: bool
    sms_url: str = ""
    sms_method: str = "POST"
    sms_fallback_url: str = ""
    sms_fallback_method: str = "POST"
    sms_application_sid: str = ""


@dataclass(frozen=True)
class Service:
    """A Messaging Service. `numbers` counts the numbers in its pool."""

    sid: str
    name: str
    defers_to_number: bool
    inbound_url: str = ""
    status_url: str = ""
    numbers: int = 1


@dataclass(frozen=True)
class Campaign:
    """A campaign; `status` is Twilio's word, `errors` what the reviewers wrote."""

    sid: str
    brand_sid: str
    status: str
    use_case: str = ""
    mock: bool = False
    errors: tuple[str, ...] = ()
    att_class: str = ""
    tmobile_tier: str = ""
    # What was registered as the answers to HELP, STOP and START; "" where nothing was.
    help: str = ""
    opted_out: str = ""
    opted_in: str = ""

    @property
    def is_verified(self) -> bool:
        return self.status.upper() == "VERIFIED" and not self.mock


@dataclass(frozen=True)
class Brand:
    """A registered business; `score` is 0 to 100, or None where nobody has vetted it."""

    sid: str
    status: str
    type: str = ""
    score: int | None = None
    mock: bool = False
    failure: str = ""


@dataclass(frozen=True)
class Registration:
    """All that Twilio knows about a number. `brand` is None where it may not be read."""

    number: str
    owned: OwnedNumber | None = None
    service: Service | None = None
    campaigns: tuple[Campaign, ...] = ()
    brand: Brand | None = None

    @property
    def campaign(self) -> Campaign | None:
        """The one that counts: a verified one if there is one."""
        return next(iter(sorted(self.campaigns, key=lambda each: not each.is_verified)), None)
