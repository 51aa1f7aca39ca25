"""What a text asks for: keywords, other wordings, and what only looks like them."""

from __future__ import annotations

import pytest

from connectors.consent import Ask, Request, read_request
from connectors.opt_out_wording import wants_no_texts
from connectors.wire import InboundText

LONG_CODE, SHORT_CODE = "+15550100001", "12345"


def text(body: str, to: str = LONG_CODE, heard: str = "") -> InboundText:
    return InboundText("SM" + "0" * 32, "+15550109999", to, body, opt_out_type=heard)


@pytest.mark.parametrize(
    "body",
    [
        "STOP",
        "stop",
        " Stop.",
        "STOP!!!",
        "“Stop”",
        "stopall",
        "Stop all",
        "UNSUBSCRIBE",
        "cancel",
        "End",
        "quit",
        "REVOKE",
        "optout",
        "Opt-out",
        "opt out",
        "stop 🛑",
    ],
)
def test_stop_is_heard_when_it_is_the_whole_text(body: str) -> None:
    assert read_request(text(body), twilio_answers=True).ask is Ask.STOP


@pytest.mark.parametrize(
    ("body", "ask"),
    [
        ("START", Ask.START),
        ("unstop", Ask.START),
        ("Yes!", Ask.YES),
        ("help", Ask.HELP),
        ("Info?", Ask.HELP),
        ("yes please", Ask.NOTHING),
        ("start the engine", Ask.NOTHING),
        ("I need help", Ask.NOTHING),
        ("cancel my order", Ask.NOTHING),
        ("", Ask.NOTHING),
        ("🛑", Ask.NOTHING),
    ],
)
def test_the_other_keywords(body: str, ask: Ask) -> None:
    assert read_request(text(body), twilio_answers=True).ask is ask


def test_who_answers_stop() -> None:
    """Twilio, for exactly its own words on a long code; else nobody but us."""
    assert read_request(text("stop"), twilio_answers=True).answered
    assert not read_request(text("Stop."), twilio_answers=True).answered
    assert not read_request(text("stop", SHORT_CODE), twilio_answers=True).answered
    assert not read_request(text("stop"), twilio_answers=False).answered
    assert not read_request(text("please stop texting me"), twilio_answers=True).answered


def test_advanced_opt_out_has_the_last_word() -> None:
    """Its lists are the business's own, in any language."""
    assert read_request(text("ARRET", heard="STOP"), False) == Request(Ask.STOP, "twilio", True)
    assert read_request(text("ja", heard="START"), False) == Request(Ask.START, "twilio", True)
    assert read_request(text("aide", heard="HELP"), False) == Request(Ask.HELP, "twilio", True)
    assert read_request(text("hello", heard="NEW"), False).ask is Ask.NOTHING


@pytest.mark.parametrize(
    "body",
    [
        "please stop texting me",
        "Please stop",
        "stop please!",
        "STOP STOP STOP",
        "Stop texting me.",
        "stop txting me now",
        "can you stop messaging me?",
        "Stop sending me messages",
        "stop sending these texts to my phone please",
        "Stop the text messages",
        "Don't text me",
        "don’t text this number anymore",
        "do not contact me again",
        "Never message me again",
        "no more texts please",
        "No more messages",
        "I don't want any more texts",
        "I do not want to receive your messages",
        "Remove me from your list",
        "take my number off your texting list",
        "Unsubscribe me",
        "please unsubscribe",
        "I want to unsubscribe from these messages",
        "I'd like to opt out",
        "opt me out",
        "I revoke my consent",
        "Leave me alone!",
        "wrong number, stop texting me",
        "Please stop texting me. I never signed up for this!",
    ],
)
def test_stop_in_other_words(body: str) -> None:
    assert wants_no_texts(body)
    assert read_request(text(body), twilio_answers=True) == Request(Ask.STOP, "wording", False)


@pytest.mark.parametrize(
    "body",
    [
        "stop by the shop",
        "can I stop my order?",
        "Can I stop by at 5?",
        "please cancel",
        "please cancel my appointment",
        "when does the sale end",
        "I quit my job",
        "how do I stop texting you",
        "do you stop sending texts at night?",
        "don't text me before 9",
        "stop texting me at work, use email",
        "no more texts after 9pm",
        "don't message me, call me",
        "I don't want any more messages about the sale",
        "remove me from the waiting list",
        "unsubscribe me from the newsletter",
        "My brakes don't stop",
        "the bus stop please",
        "Is there a stop near you?",
        "My ex says: stop texting me. What should I answer?",
        "nonstop",
        "Stop. I'll take the blue one",
        "Don't stop!",
        "leave me alone time for Friday",
        "stop it",
        "no",
        "stop " * 60,
        "please now " * 18 + "stop it",
    ],
)
def test_what_only_looks_like_stop(body: str) -> None:
    assert not wants_no_texts(body)
    assert read_request(text(body), twilio_answers=True).ask is Ask.NOTHING
