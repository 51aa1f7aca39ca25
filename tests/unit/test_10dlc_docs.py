"""docs/10dlc.md tells people to register what the assistant says, and knows every reason."""

from __future__ import annotations

import re

import pytest

from connectors.assistant import Texts
from connectors.consent import TWILIO_START, TWILIO_STOP
from connectors.registration import Brand, Campaign
from connectors.settings import ROOT
from connectors.ten_dlc import TELLING
from local.doctor import rate
from tests.unit.test_ten_dlc import TABLE

PAGE = (ROOT / "docs" / "10dlc.md").read_text()
SHORTEST, LONGEST = 20, 320
ANSWERED = {"opt_in_message": "opted_in", "opt_out_message": "opted_out", "help_message": "help"}


def cells(first: str) -> list[str]:
    """The table row whose first cell is this."""
    [row] = [line for line in PAGE.splitlines() if line.startswith(f"| {first} |")]
    return [cell.strip() for cell in row.strip("|").split("|")]


@pytest.mark.parametrize(("registered", "said"), ANSWERED.items())
def test_what_is_registered_is_what_the_assistant_says(registered: str, said: str) -> None:
    text = cells(f"`{registered}`")[2]
    assert text == getattr(Texts(), said)
    name, contact = "A business with a rather long name", "(555) 010-0199, help@example.com"
    filled = text.format(business_name=name, contact=contact)
    assert SHORTEST <= len(filled) <= LONGEST


@pytest.mark.parametrize(
    ("registered", "heard"),
    [
        # YES is START only for who is out, and an ordinary answer else: it is not registered.
        ("opt_in_message", TWILIO_START - {"YES"}),
        ("opt_out_message", TWILIO_STOP),
    ],
)
def test_the_keywords_are_those_that_are_heard(registered: str, heard: frozenset[str]) -> None:
    assert set(cells(f"`{registered}`")[1].split(", ")) == heard


def test_carriers_find_in_the_texts_what_they_look_for() -> None:
    texts = Texts()
    assert all(getattr(texts, said).startswith("{business_name}") for said in ANSWERED.values())
    assert "no more messages" in texts.opted_out
    assert "{contact}" in texts.help
    for wanted in ("Message frequency varies", "Msg & data rates may apply", "STOP"):
        assert wanted in texts.help
        assert wanted in texts.opted_in


def test_every_code_that_stops_a_number_is_explained() -> None:
    explained = {int(code) for code in re.findall(r"\b30\d{3}\b", PAGE)}
    assert TELLING - explained == set()


def test_every_reason_is_explained() -> None:
    reasons = {judged[2] for judged in TABLE} - {"approved", "campaign_a_new_word"}
    explained = set(re.findall(r"`([a-z_]+)`", PAGE.split("## What goes wrong")[1]))
    assert reasons - explained == set()


@pytest.mark.parametrize(
    ("row", "use_case", "brand"),
    [
        ("Standard, score 75 to 100", "CUSTOMER_CARE", Brand("BN", "APPROVED", "STANDARD", 75)),
        ("Standard, score 50 to 74", "CUSTOMER_CARE", Brand("BN", "APPROVED", "STANDARD", 74)),
        ("Standard, score 1 to 49, or no score", "CUSTOMER_CARE", Brand("BN", "APPROVED")),
        ("`LOW_VOLUME`", "LOW_VOLUME", Brand("BN", "APPROVED")),
        ("Sole Proprietor", "SOLE_PROPRIETOR", Brand("BN", "APPROVED", "SOLE_PROPRIETOR")),
    ],
)
def test_the_doctor_and_the_page_know_the_same_rates(row: str, use_case: str, brand: Brand) -> None:
    campaign = Campaign("QE", "BN", "VERIFIED", use_case=use_case)
    assert cells(row)[1] == f"{rate.per_second(campaign, brand):g}"
