"""The papers of each number: is it ours, wired, in a Service, in a campaign, of what brand?"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.pretend_twilio.config import PretendConfig
from local.pretend_twilio.errors import Unusable, ending_in_words
from local.pretend_twilio.guard import only


@dataclass(frozen=True)
class Paper:
    """One number, with a Messaging Service, a campaign and a brand of its own."""

    sms_url: str
    sms_method: str = "POST"
    sms_fallback_url: str = ""
    sms_fallback_method: str = "POST"
    sms_application_sid: str = ""
    owned: bool = True
    sends_sms: bool = True
    in_service: bool = True
    defers_to_number: bool = True
    inbound_url: str = ""
    status_url: str = ""
    campaign: str = "VERIFIED"  # "" is none
    campaign_mock: bool = False
    campaign_errors: tuple[str, ...] = ()
    use_case: str = "CUSTOMER_CARE"
    help_message: str = ""
    opt_out_message: str = ""
    opt_in_message: str = ""
    brand: str = "APPROVED"
    brand_score: int | None = 60

    @property
    def words(self) -> str:
        """What follows for texts of the number."""
        if self.fate:
            return f"What it sends is not delivered: {ending_in_words(self.fate[1])}."
        if not self.way_in:
            return "Texts to it are dropped, and nobody is told."
        return "Texts go both ways, as its webhook says."

    @property
    def way_in(self) -> str:
        """Where texts to the number are posted; "" is nowhere."""
        swallows = self.in_service and not self.defers_to_number
        url = self.inbound_url if swallows else self.sms_url
        return url.partition("#")[0]  # what follows is for Twilio, and is not signed

    @property
    def fate(self) -> tuple[str, int] | None:
        """How every message of the number ends; None where that depends on who gets it."""
        if self.in_service and self.campaign == "SUSPENDED":
            return ("undelivered", 30033)
        approved = self.campaign == "VERIFIED" and self.brand == "APPROVED"
        if self.in_service and approved and not self.campaign_mock:
            return None
        return ("undelivered", 30034)


# What the phone page offers, in its own words. Each is a change to papers that are in order.
STATES: dict[str, dict[str, Any]] = {
    "approved": {},
    "campaign in review": {"campaign": "IN_PROGRESS"},
    "campaign rejected": {
        "campaign": "FAILED",
        "campaign_errors": ("30909 The call to action could not be verified",),
    },
    "campaign suspended": {"campaign": "SUSPENDED"},
    "brand rejected": {"brand": "FAILED"},
    "no campaign": {"campaign": ""},
    "in no Messaging Service": {"in_service": False},
    "texts swallowed by the Service": {"defers_to_number": False},
    "texts sent elsewhere": {"sms_url": "http://127.0.0.1:9/elsewhere"},  # nobody is there
    "cannot send SMS": {"sends_sms": False},
    "sold": {"owned": False},
}
# How requests about papers are answered; messages go through all the same.
API = ("ok", "forbidden", "down")


class Papers:
    """All numbers' papers, as scripts and the API change them."""

    def __init__(self, config: PretendConfig) -> None:
        self.config = config
        self.reset()

    def reset(self) -> None:
        self.api = "ok"
        self._papers = {number: Paper(self.config.webhook_url) for number in self.config.numbers}

    def of(self, number: str) -> Paper:
        return self._papers.get(number) or Paper(self.config.webhook_url)

    def owned(self) -> list[str]:
        return [number for number, paper in self._papers.items() if paper.owned]

    def in_services(self) -> list[str]:
        return [number for number in self.owned() if self.of(number).in_service]

    def put(self, number: str, paper: Paper) -> None:
        self._papers[number] = paper

    def change(self, given: Mapping[str, Any]) -> None:
        """As `POST /registration` says it. Raises Unusable."""
        fields = {field.name for field in dataclasses.fields(Paper)}
        only(dict(given), "api", "number", "state", *fields)
        if given.get("api", "ok") not in API:
            raise Unusable(f"api is one of: {', '.join(API)}")
        self.api = given.get("api", self.api)
        if "number" not in given:
            return
        number = given["number"]
        if number not in self._papers:
            raise Unusable("number is none of the business's")
        self.put(number, self._changed(self.of(number), given, fields))

    def _changed(self, paper: Paper, given: Mapping[str, Any], fields: set[str]) -> Paper:
        changes = {name: value for name, value in given.items() if name in fields}
        if "state" in given:
            if given["state"] not in STATES:
                raise Unusable(f"state is one of: {', '.join(STATES)}")
            paper = Paper(self.config.webhook_url)
            changes = {**STATES[given["state"]], **changes}
        for name, value in changes.items():
            if not isinstance(value, _TYPES.get(name, str)):
                raise Unusable(f"{name} is no {getattr(paper, name)!r}")
        errors = tuple(changes.get("campaign_errors", paper.campaign_errors))
        return dataclasses.replace(paper, **{**changes, "campaign_errors": errors})

    def as_json(self) -> dict[str, object]:
        return {
            "api": self.api,
            "states": list(STATES),
            "numbers": {
                number: {
                    "state": self._state(paper),
                    "words": paper.words,
                    **dataclasses.asdict(paper),
                }
                for number, paper in self._papers.items()
            },
        }

    def _state(self, paper: Paper) -> str | None:
        """The name of the state that the papers are in, or None."""
        for name, changes in STATES.items():
            if paper == dataclasses.replace(Paper(self.config.webhook_url), **changes):
                return name
        return None


_TYPES: dict[str, Any] = {
    **dict.fromkeys(("owned", "sends_sms", "in_service", "defers_to_number"), bool),
    "campaign_mock": bool,
    "campaign_errors": (list, tuple),
    "brand_score": (int, type(None)),
}


def sid(kind: str, number: str) -> str:
    """The SID of something that belongs to a number: PN, MG, QE or BN."""
    return kind + hashlib.sha256(number.encode()).hexdigest()[:32]
