"""What `make run` starts, seen from both ends: a customer's phone, and the review app."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from tests.browser.chromium import chromium
from tests.e2e.launching import Launcher
from tests.e2e.rehearsal import Phone, scripted_model
from tests.fakes.model import FakeModel
from tests.review.browsing import Reviewer
from tests.review.office import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.e2e, pytest.mark.timeout(300)]

ENTER = "\ue007"


@pytest.fixture
def model() -> Iterator[FakeModel]:
    with scripted_model() as model:
        model.answers("We are open from nine to six.")
        yield model


@pytest.mark.usefixtures("trained")
def test_a_session_is_seen_judged_taken_over_and_deleted(tmp_path: Path, model: FakeModel) -> None:
    launcher = Launcher(
        "run",
        tmp_path / "state",
        {"LLM_BASE_URL": model.base_url, "REVIEW_ADMIN_PASSWORD": PASSWORD},
    )
    try:
        launcher.until("ready")
        phone = Phone(f"http://127.0.0.1:{launcher.port('PHONE_PORT')}")
        with chromium(tmp_path / "profile") as chrome:
            reviewer = Reviewer(chrome, f"http://127.0.0.1:{launcher.port('REVIEW_PORT')}")
            reviewer.sign_in()
            see_it_appear(phone, reviewer)
            judge_it(reviewer)
            take_it_over(phone, reviewer)
            delete_it(reviewer)
            assert reviewer.complaints() == []
    finally:
        code = launcher.stop()
    assert code == 0, launcher.output


def see_it_appear(phone: Phone, reviewer: Reviewer) -> None:
    assert phone.texts("When are you open?") == 204
    phone.answers(1)
    reviewer.until(reviewer.ids)
    reviewer.press("j", ENTER)
    reviewer.until(lambda: "We are open from nine to six." in reviewer.texts(".bubble"))
    assert reviewer.texts(".bubble")[0] == "When are you open?"
    reviewer.until(lambda: reviewer.texts(".assistant .badge") == ["delivered"])


def judge_it(reviewer: Reviewer) -> None:
    reviewer.press("j", "j", ENTER, "f")
    reviewer.until(lambda: len(reviewer.texts(".turn.flagged")) == 1)
    assert "a-scripted-model" in reviewer.texts(".turn.flagged .inside")[0]
    reviewer.chrome.find_element(By.NAME, "tag").send_keys("opening hours" + ENTER)
    reviewer.until(lambda: reviewer.texts(".tag") != [])
    reviewer.chrome.find_element(By.TAG_NAME, "h1").click()
    reviewer.press("e")
    reviewer.until(lambda: reviewer.texts("[data-review=reviewed][aria-pressed=true]"))
    reviewer.open("/?review=reviewed")
    assert len(reviewer.ids()) == 1
    reviewer.press("j", "u")
    reviewer.until(lambda: not reviewer.ids())
    reviewer.press("z")
    reviewer.until(lambda: len(reviewer.ids()) == 1)
    reviewer.open(f"/sessions/{reviewer.ids()[0]}")


def take_it_over(phone: Phone, reviewer: Reviewer) -> None:
    reviewer.chrome.find_element(By.CSS_SELECTOR, "#desk button.main").click()
    reviewer.until(lambda: reviewer.chrome.find_elements(By.ID, "answer"))
    reviewer.chrome.find_element(By.ID, "answer").send_keys("This is Ben. Sundays, too!")
    reviewer.chrome.find_element(By.CSS_SELECTOR, "#desk button.main").click()
    assert phone.answers(2)[1] == "This is Ben. Sundays, too!"
    reviewer.until(lambda: reviewer.texts(".operator .bubble") == ["This is Ben. Sundays, too!"])
    assert phone.texts("Great, thanks!") == 204  # and the assistant keeps quiet
    reviewer.until(lambda: "Great, thanks!" in reviewer.texts(".customer .bubble"))
    reviewer.chrome.find_element(By.CSS_SELECTOR, "#desk button[formaction$=give-back]").click()
    reviewer.until(lambda: reviewer.texts("#desk button") == ["Take over"])
    phone.texts("Are you open?")
    phone.answers(4)


def delete_it(reviewer: Reviewer) -> None:
    reviewer.chrome.find_element(By.CSS_SELECTOR, "[data-opens=forget]").click()
    reviewer.chrome.find_element(By.NAME, "sure").send_keys("delete" + ENTER)
    reviewer.until(lambda: reviewer.texts("h2")[:1] == ["No conversation yet"])
