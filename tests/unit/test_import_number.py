"""Importing a number: what is planned, and what happens to an assistant's file."""

from __future__ import annotations

import difflib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.errors import SettingsError
from connectors.registration import OwnedNumber, Registration, Service
from connectors.settings import ROOT
from connectors.wiring import astray, webhook
from local.import_number import files, plan
from local.import_number.record import Record

PUBLIC = "https://sms.example.com"
NUMBER = OwnedNumber(
    "PN1", "+15550100001", True, sms_url="https://old.example.com", sms_method="GET"
)
KEEPS = Service("MG1", "Front desk", defers_to_number=False, inbound_url="https://old.example.com")
OURS = OwnedNumber("PN1", "+15550100001", True, webhook(PUBLIC), "POST", webhook(PUBLIC), "POST")


def planned(number: OwnedNumber, service: Service | None = None) -> list[plan.Change]:
    return plan.changes(Registration(number.number, number, service), PUBLIC)


def test_a_number_elsewhere_gets_webhook_and_fallback_with_retries() -> None:
    found = {change.field: change for change in planned(NUMBER)}
    assert set(found) == {"sms_url", "sms_method", "sms_fallback_url"}
    assert found["sms_url"].before == "https://old.example.com"
    assert str(found["sms_fallback_url"].after).startswith(
        f"{PUBLIC}/webhooks/twilio_sms/webhook#rc="
    )


def test_a_twiml_app_is_taken_off_because_it_overrules_the_webhook() -> None:
    app = replace(OURS, sms_application_sid="AP1")
    assert [(c.field, c.after) for c in planned(app)] == [("sms_application_sid", "")]


def test_a_service_that_keeps_texts_is_told_to_defer_to_the_number() -> None:
    found = {change.field: change.after for change in planned(OURS, KEEPS)}
    assert found == {
        "use_inbound_webhook_on_number": True,
        "status_callback": f"{PUBLIC}/webhooks/twilio_sms/status",
    }


def test_a_service_whose_reports_go_to_somebody_keeps_that() -> None:
    reporting = replace(KEEPS, defers_to_number=True, status_url="https://old.example.com/status")
    assert planned(OURS, reporting) == []


def test_a_service_that_sends_texts_to_us_need_not_defer() -> None:
    theirs = replace(KEEPS, inbound_url=webhook(PUBLIC), status_url="https://x.example.com")
    assert planned(OURS, theirs) == []


def test_other_numbers_of_a_service_that_will_defer_are_mentioned() -> None:
    found = Registration(OURS.number, OURS, replace(KEEPS, numbers=3))
    [warning] = plan.warnings(found, plan.changes(found, PUBLIC))
    assert "3 numbers" in warning
    alone = replace(found, service=KEEPS)
    assert plan.warnings(alone, plan.changes(alone, PUBLIC)) == []


@pytest.mark.parametrize("service", [None, KEEPS, replace(KEEPS, defers_to_number=True)])
def test_after_the_changes_texts_come_to_us_and_nothing_is_left_to_change(
    service: Service | None,
) -> None:
    changes = planned(replace(NUMBER, sms_application_sid="AP1"), service)
    fields = {c.field: c.after for c in changes if c.of == plan.NUMBER}
    number = replace(NUMBER, **fields)  # type: ignore[arg-type]
    defers = service and replace(service, defers_to_number=True, status_url="https://x")
    after = Registration(number.number, number, defers)
    assert astray(after, PUBLIC) is None
    assert plan.changes(after, PUBLIC) == []


def test_the_way_back_leaves_alone_what_somebody_changed_since() -> None:
    made = planned(NUMBER)
    now = {(c.of, c.id, c.field): c.after for c in made}
    now[plan.NUMBER, "PN1", "sms_url"] = "https://new.example.com"
    back = {change.field: change.after for change in plan.undone(made, now)}
    assert back == {"sms_method": "GET", "sms_fallback_url": ""}


def test_two_imports_are_undone_as_one() -> None:
    first = [plan.Change("number", "PN1", "sms_url", "https://old", "https://ours")]
    later = [plan.Change("number", "PN1", "sms_url", "https://ours", "https://moved")]
    assert plan.together(first, later) == [
        plan.Change("number", "PN1", "sms_url", "https://old", "https://moved")
    ]


def test_a_record_is_kept_and_its_name_does_not_tell_the_number(tmp_path: Path) -> None:
    record = Record(NUMBER.number, tmp_path / "records")
    assert record.read() == []
    record.write(planned(NUMBER))
    assert Record(NUMBER.number, tmp_path / "records").read() == planned(NUMBER)
    assert NUMBER.number[1:] not in record.file.name
    record.forget()
    assert record.read() == []


@pytest.fixture
def assistants(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "assistants", tmp_path / "assistants"))


def changed_lines(before: str, after: str) -> list[str]:
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in lines if line[:1] in "+-"]


@pytest.mark.parametrize("name", ["default.yml", "showcase.yml"])
def test_a_number_is_one_line_more_in_the_file_and_one_less_afterwards(
    assistants: Path, name: str
) -> None:
    file = assistants / name
    before = file.read_text()
    files.attach(file, "+15550100007")
    assert changed_lines(before, file.read_text()) == ['+ numbers: ["+15550100007"]']
    files.detach(file, "+15550100007")
    assert file.read_text() == before


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ('numbers: ["+15550100001"]\n', 'numbers: ["+15550100001", "+15550100007"]\n'),
        (
            'numbers:\n  - "+15550100001" # first\ndefault: true\n',
            'numbers:\n  - "+15550100001" # first\n  - "+15550100007"\ndefault: true\n',
        ),
        (
            'numbers:\n- "+15550100001"\ndefault: true\n',
            'numbers:\n- "+15550100001"\n- "+15550100007"\ndefault: true\n',
        ),
    ],
)
def test_a_list_of_numbers_grows_in_its_own_style_and_shrinks_again(
    given: str, wanted: str
) -> None:
    assert files.with_number(given, "+15550100007") == wanted
    assert files.without_number(wanted, "+15550100007") == given


def test_a_comment_beside_the_numbers_stays() -> None:
    grown = files.with_number('numbers: ["+15550100001"] # mine\n', "+15550100007")
    assert grown == 'numbers: ["+15550100001", "+15550100007"] # mine\n'


def test_the_comments_around_the_only_number_stay() -> None:
    given = "name: A\n# ours\nnumbers:\n  - '+15550100001'\n# who to call\ncontact: B\n"
    assert files.without_number(given, "+15550100001") == (
        "name: A\n# ours\n# who to call\ncontact: B\n"
    )


def test_a_number_of_another_file_is_refused_and_the_file_is_as_it_was(assistants: Path) -> None:
    files.attach(assistants / "showcase.yml", "+15550100007")
    before = (assistants / "default.yml").read_text()
    with pytest.raises(SettingsError, match="showcase"):
        files.attach(assistants / "default.yml", "+15550100007")
    assert (assistants / "default.yml").read_text() == before
