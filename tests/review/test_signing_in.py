"""Signing in: who tries too often waits, and who has lost a password gets a new one."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sql

from connectors.settings import ROOT
from review import passwords, tables
from review.access import Role
from review.accounts import ADMINISTRATOR, Accounts
from review.database import Database
from review.errors import NotSignedIn, TooManyTries, Unusable
from review.signins import FAILURES_OF_A_NAME, SignIns
from tests.review.office import PASSWORD, Office

pytestmark = pytest.mark.integration


def review(database: Database, *arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
    """`python -m review`, on this database."""
    environ = {**os.environ, "SESSION_LOG_URL": _url(database)}
    return subprocess.run(
        [sys.executable, "-m", "review", *arguments],
        input=said,
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=50,
    )


def _url(database: Database) -> str:
    return str(database.engine.url.render_as_string(hide_password=False))


def audited(database: Database) -> list[tuple[str, str, str]]:
    with database.reading() as connection:
        columns = tables.audit.c
        query = sql.select(columns.who, columns.what, columns.details).order_by(columns.id)
        return [tuple(row) for row in connection.execute(query)]


def test_many_tries_at_once_are_no_way_around_the_limit(database: Database) -> None:
    Accounts(database).first_administrator(PASSWORD)
    signins = SignIns(database)

    def attempt(number: int) -> type[Exception]:
        with pytest.raises((NotSignedIn, TooManyTries)) as caught:
            signins.sign_in(ADMINISTRATOR, f"wrong-wrong-{number}", "192.0.2.1")
        return caught.type

    with ThreadPoolExecutor(12) as threads:
        outcomes = list(threads.map(attempt, range(24)))
    assert outcomes.count(NotSignedIn) == FAILURES_OF_A_NAME


def test_a_right_password_is_no_failed_try(sqlite: Database) -> None:
    Accounts(sqlite).first_administrator(PASSWORD)
    for _ in range(2 * FAILURES_OF_A_NAME):
        SignIns(sqlite).sign_in(ADMINISTRATOR, PASSWORD, "192.0.2.1")


def test_who_is_sent_away_while_their_password_is_checked_does_not_come_in(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = Accounts(sqlite)
    accounts.first_administrator(PASSWORD)
    accounts.add("grace", PASSWORD, Role.VIEWER, by="test")
    (grace,) = [person for person in accounts.people() if person["name"] == "grace"]
    is_right = passwords.is_right

    def slow(kept: str | None, password: str) -> bool:
        right = is_right(kept, password)
        accounts.change(grace["id"], "admin", disabled=True)
        return right

    monkeypatch.setattr(passwords, "is_right", slow)
    with pytest.raises(NotSignedIn):
        SignIns(sqlite).sign_in("grace", PASSWORD, "192.0.2.1")


@pytest.mark.parametrize("name", ["nul\x00", "half \ud83d", "x" * 10_000])
def test_a_name_that_no_database_takes_is_a_wrong_one(database: Database, name: str) -> None:
    with pytest.raises(NotSignedIn):
        SignIns(database).sign_in(name, PASSWORD, "192.0.2.1")


def test_an_administrator_who_lost_the_password_gets_a_new_one(each_office: Office) -> None:
    office = each_office
    browser = office.signed_in(ADMINISTRATOR)
    for _ in range(FAILURES_OF_A_NAME):
        wrong = {"name": ADMINISTRATOR, "password": "forgotten-forgotten"}
        office.browser().post("/sign-in", data=wrong)

    done = review(office.database, "passwd", ADMINISTRATOR, said="another-long-one\n")

    assert done.returncode == 0, done.stderr
    assert "another-long-one" not in done.stdout
    assert browser.get("/").status_code == 303, "the old sign-in is over"
    office.signed_in(ADMINISTRATOR, "another-long-one")
    assert ("command line", "set a password", ADMINISTRATOR) in audited(office.database)


def test_a_password_is_made_up_for_who_gives_none(sqlite: Database) -> None:
    accounts = Accounts(sqlite)
    accounts.first_administrator(PASSWORD)
    (admin,) = accounts.people()
    accounts.add("grace", PASSWORD, Role.ADMINISTRATOR, by="test")
    accounts.change(admin["id"], "grace", disabled=True)
    done = review(sqlite, "passwd", ADMINISTRATOR, said="\n")
    made_up = done.stdout.split("signs in with ")[1].split()[0]
    assert SignIns(sqlite).sign_in(ADMINISTRATOR, made_up, "192.0.2.1").person.name == ADMINISTRATOR


@pytest.mark.parametrize(
    ("name", "said", "told"),
    [("nobody", "long-enough-1\n", "nobody called"), ("admin", "x\n", "10")],
)
def test_what_cannot_be_set_is_said_and_nothing_changes(
    sqlite: Database, name: str, said: str, told: str
) -> None:
    Accounts(sqlite).first_administrator(PASSWORD)
    done = review(sqlite, "passwd", name, said=said)
    assert (done.returncode, told in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr
    assert SignIns(sqlite).sign_in(ADMINISTRATOR, PASSWORD, "192.0.2.1")


def test_help_is_printed_and_no_server_started(sqlite: Database) -> None:
    done = review(sqlite, "--help")
    assert done.returncode == 0
    assert "passwd" in done.stdout


def test_a_password_longer_than_can_be_checked_is_refused() -> None:
    with pytest.raises(Unusable):
        passwords.hashed("x" * 201)
