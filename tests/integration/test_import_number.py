"""Importing a number from a pretend Twilio, refusing to, and undoing it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.assistants import Assistants
from connectors.settings import ROOT
from connectors.wiring import webhook
from local.import_number.__main__ import main
from local.import_number.importing import Terminal
from tests.pretend_business import (
    ACCOUNT,
    BUSINESS,
    SECOND_BUSINESS,
    TOKEN,
    open_twilio,
    pretend_config,
)

pytestmark = pytest.mark.integration

PUBLIC = "http://127.0.0.1:9"
ELSEWHERE = "https://old.example.com/sms"


@dataclass
class Operator:
    """Somebody at a terminal, beside the papers at Twilio and the assistants' files."""

    url: str
    folder: Path
    answer: bool = True
    said: list[str] = field(default_factory=list)
    environ: dict[str, str] = field(default_factory=dict)

    def imports(self, *more: str, number: str = BUSINESS) -> int:
        def ask(question: str) -> bool:
            self.said.append(question)
            return self.answer

        terminal = Terminal(
            self.folder / "assistants", self.folder / "records", self.said.append, ask
        )
        return main([number, *more], self.environ, terminal)

    def papers(self, **given: object) -> None:
        told = {"number": BUSINESS, **given}
        answer = httpx.post(f"{self.url}/registration", json=told, trust_env=False)
        assert answer.status_code == 200, answer.text

    def at_twilio(self) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{self.url}/registration", trust_env=False).json()
        numbers: dict[str, Any] = found["numbers"][BUSINESS]
        return numbers

    def who_answers(self, number: str = BUSINESS) -> str | None:
        files = Assistants.load(self.folder / "assistants").by_id.values()
        return next((each.id for each in files if number in each.numbers), None)

    @property
    def heard(self) -> str:
        return "\n".join(self.said)


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    shutil.copytree(ROOT / "assistants", tmp_path / "assistants")
    with open_twilio(pretend_config(PUBLIC)) as url:
        operator = Operator(url, tmp_path)
        operator.environ = {
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_NUMBERS": SECOND_BUSINESS,
            "TWILIO_API_BASE_URL": url,
            "PUBLIC_URL": PUBLIC,
        }
        operator.papers(sms_url=ELSEWHERE, sms_method="GET", defers_to_number=False)
        yield operator


def test_a_number_comes_here_after_what_will_change_was_shown(operator: Operator) -> None:
    assert operator.imports("--assistant", "showcase") == 0
    now = operator.at_twilio()
    assert now["sms_url"] == now["sms_fallback_url"] == webhook(PUBLIC)
    assert (now["sms_method"], now["defers_to_number"]) == ("POST", True)
    assert now["status_url"] == f"{PUBLIC}/webhooks/twilio_sms/status"
    assert operator.who_answers() == "showcase"
    shown, question = operator.heard.split("Change it?")
    assert f"sms_url: {ELSEWHERE} -> {webhook(PUBLIC)}" in shown
    assert "use_inbound_webhook_on_number: no -> yes" in shown
    assert "assistant showcase  answers: no -> yes" in shown
    assert "changing number" in question
    assert "Texts to it come here." in question


def test_who_says_no_changes_nothing(operator: Operator) -> None:
    before, operator.answer = operator.at_twilio(), False
    assert operator.imports("--assistant", "showcase") == 1
    assert operator.at_twilio() == before
    assert operator.who_answers() is None
    assert operator.said[-1] == "Nothing was changed."


def test_scripts_are_not_asked(operator: Operator) -> None:
    operator.answer = False
    assert operator.imports("--assistant", "showcase", "--yes") == 0
    assert "Change it?" not in operator.heard


def test_an_import_can_be_undone_to_the_letter(operator: Operator) -> None:
    before = operator.at_twilio()
    files = {f.name: f.read_text() for f in (operator.folder / "assistants").glob("*.yml")}
    operator.imports("--assistant", "showcase")
    assert operator.imports("--undo") == 0
    assert operator.at_twilio() == before
    assert {f.name: f.read_text() for f in (operator.folder / "assistants").glob("*.yml")} == files
    assert operator.imports("--undo") == 1  # and only once
    assert "nothing to undo" in operator.said[-1]


def test_a_second_import_changes_nothing_and_the_first_can_still_be_undone(
    operator: Operator,
) -> None:
    before = operator.at_twilio()
    operator.imports("--assistant", "showcase")
    assert operator.imports("--assistant", "showcase") == 0
    assert "Nothing has to be changed." in operator.heard
    assert operator.imports("--undo") == 0
    assert operator.at_twilio() == before


def test_what_somebody_changed_since_is_not_undone(operator: Operator) -> None:
    operator.imports("--assistant", "showcase")
    operator.papers(sms_url="https://newer.example.com/sms")
    assert operator.imports("--undo") == 0
    assert operator.at_twilio()["sms_url"] == "https://newer.example.com/sms"
    assert operator.at_twilio()["sms_method"] == "GET"
    assert "1 of 6 are not as the import left them" in operator.heard, operator.heard


def test_without_a_name_the_default_assistant_answers(operator: Operator) -> None:
    assert operator.imports() == 0
    assert operator.who_answers() == "default"


def test_a_number_moves_from_one_assistant_to_another_and_back(operator: Operator) -> None:
    operator.imports("--assistant", "default")
    operator.papers(state="approved", status_url="https://x.example.com")
    assert operator.imports("--assistant", "showcase") == 0
    assert operator.who_answers() == "showcase"
    assert operator.imports("--undo") == 0
    assert operator.who_answers() is None


@pytest.mark.parametrize(
    ("state", "said"),
    [("sold", "does not belong to the account"), ("cannot send SMS", "cannot send SMS")],
)
def test_a_number_that_cannot_be_ours_is_refused(operator: Operator, state: str, said: str) -> None:
    operator.papers(state=state)
    assert operator.imports() == 1
    assert said in operator.said[-1]
    assert operator.who_answers() is None


@pytest.mark.parametrize("number", ["", "5550100001", "+1555", "$(rm -rf)"])
def test_what_is_no_number_is_refused(operator: Operator, number: str) -> None:
    assert operator.imports(number=number) == 1
    assert "must look like +15550100001" in operator.said[-1]


def test_an_assistant_that_is_not_there_is_refused(operator: Operator) -> None:
    assert operator.imports("--assistant", "nobody") == 1
    assert "one of: default, showcase" in operator.said[-1]


def test_an_address_that_twilio_cannot_reach_is_refused(operator: Operator) -> None:
    operator.environ |= {"TWILIO_API_BASE_URL": ""}
    assert operator.imports() == 1
    assert "which Twilio cannot reach" in operator.said[-1]


def test_a_number_that_is_not_approved_comes_here_and_it_is_said(operator: Operator) -> None:
    operator.papers(state="campaign in review")
    assert operator.imports() == 0
    assert "IN_PROGRESS" in operator.said[-1]


def test_half_an_import_can_be_undone(operator: Operator) -> None:
    before = operator.at_twilio()

    def say(words: str) -> None:
        operator.said.append(words)
        if words.startswith("changing number"):
            operator.papers(state="sold")  # Twilio knows it no more: 404

    terminal = Terminal(operator.folder / "assistants", operator.folder / "records", say)
    assert main([BUSINESS, "--yes"], operator.environ, terminal) == 1
    assert "UNDO=1" in operator.said[-1]
    assert operator.who_answers() == "default"
    assert operator.imports("--undo") == 0
    assert operator.who_answers() is None
    operator.papers(state="approved", sms_url=ELSEWHERE, sms_method="GET", defers_to_number=False)
    assert operator.at_twilio() == before
