"""What `make run` starts, seen from both ends: the whole of a review, beginning at the phone.

A text is seen live, its session judged and saved as a test, which `rasa test` runs; an operator
answers, gives it back, and deletes it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from connectors.settings import ROOT
from review.saving_tests import STORIES
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


@pytest.fixture
def saved_stories(tmp_path: Path) -> Iterator[Path]:
    """Room for a copy; the project's own file is afterwards as it was."""
    file = ROOT / STORIES
    before = file.read_bytes() if file.exists() else None
    file.unlink(missing_ok=True)
    yield tmp_path / "stories.yml"
    file.unlink(missing_ok=True)
    if before is not None:
        file.write_bytes(before)


@pytest.mark.usefixtures("trained")
def test_a_session_is_seen_judged_saved_taken_over_and_deleted(
    tmp_path: Path, model: FakeModel, saved_stories: Path
) -> None:
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
            read_the_prompt(reviewer, model)
            judge_it(reviewer)
            with rasa_test(save_it(reviewer, saved_stories), tmp_path) as tested:
                take_it_over(phone, reviewer)
                delete_it(reviewer)
                assert reviewer.complaints() == []
                assert tested.wait(timeout=120) == 0, tested.output()
            assert stories_that_failed(tmp_path) == 0
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


def read_the_prompt(reviewer: Reviewer, model: FakeModel) -> None:
    reviewer.press("j", "j", ENTER)
    reviewer.chrome.find_element(By.CSS_SELECTOR, ".turn.here .asked summary").click()
    reviewer.until(lambda: reviewer.texts(".asked ol.sent li"))
    assert "When are you open?" in reviewer.texts(".asked li.user")[-1]
    body = "return document.querySelector('.asked [data-body]').textContent"
    assert reviewer.chrome.execute_script(body).encode() == model.bodies[-1]
    reviewer.chrome.find_element(By.TAG_NAME, "h1").click()
    reviewer.press(ENTER, "k", "k")


def judge_it(reviewer: Reviewer) -> None:
    reviewer.press("j", ENTER, "f")
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


def save_it(reviewer: Reviewer, stories: Path) -> Path:
    """A copy of what was saved: with the customer, it goes."""
    reviewer.chrome.find_element(By.CSS_SELECTOR, "button[name=as][value=story]").click()
    reviewer.until(lambda: reviewer.texts("#saved") == ["Saved in tests/test_from_sessions.yml"])
    copy = stories.with_name("test_saved.yml")
    copy.write_text((ROOT / STORIES).read_text())
    assert "When are you open?" in copy.read_text()
    return copy


class RasaTest:
    """`rasa test`, which runs beside whatever else is done."""

    def __init__(self, stories: Path, results: Path) -> None:
        self.log = results / "rasa-test.log"
        command = [sys.executable, "-m", "rasa", "test", "core", "--stories", str(stories)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, "--out", str(results), "--no-plot", "--fail-on-prediction-errors"],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait(self, timeout: float) -> int:
        return self.process.wait(timeout)

    def output(self) -> str:
        return self.log.read_text()


@contextmanager
def rasa_test(stories: Path, results: Path) -> Iterator[RasaTest]:
    tested = RasaTest(stories, results)
    try:
        yield tested
    finally:
        tested.process.kill()
        tested.process.wait()


def stories_that_failed(results: Path) -> int:
    report = json.loads((results / "story_report.json").read_text())
    counted = report["conversation_accuracy"]
    assert counted["total"] == 1
    return int(counted["total"] - counted["correct"])


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
    # The saved test repeats their words, so it goes as well, and somebody should know.
    reviewer.until(lambda: reviewer.texts("h1") == ["Deleted"])
    assert str(STORIES) in " ".join(reviewer.texts("main"))
    assert not (ROOT / STORIES).exists()  # it held nothing else
    reviewer.open("/")
    reviewer.until(lambda: reviewer.texts("h2")[:1] == ["No conversation yet"])
