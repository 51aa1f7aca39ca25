"""All of it at once: `make run`'s launcher, Chromium on the phone page, the embedded model."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.browser.chromium import chromium
from tests.browser.page import Page
from tests.e2e.launching import Launcher

pytestmark = [pytest.mark.browser, pytest.mark.e2e, pytest.mark.timeout(240)]

FIRST = "Hi, my name is Ada. Do you repair bikes?"
SECOND = "What is my name?"


@pytest.mark.usefixtures("trained")
def test_two_texts_from_the_phone_page_are_answered_by_the_model(tmp_path: Path) -> None:
    launcher = Launcher("run", tmp_path / "state", {})
    try:
        launcher.until("ready")
        with chromium(tmp_path / "profile") as browser:
            page = Page(browser, f"http://127.0.0.1:{launcher.port('PHONE_PORT')}/", patience=60)
            page.open()
            page.texts(FIRST)
            page.until(lambda: len(page.said()) == 2)
            page.texts(SECOND)
            page.until(lambda: len(page.said()) == 4)
            page.until(lambda: page.meta()[-1].startswith("Delivered"))
            answers = [words for who, words in page.said() if who == "The business"]
    finally:
        code = launcher.stop()
    assert code == 0, launcher.output
    assert len(answers) == 2
    assert all(answers)
    assert "outcome=apology" not in launcher.output
    # The model read the first text and its own answer again when it answered the second.
    read = [
        int(word.partition("=")[2])
        for word in launcher.output.split()
        if word.startswith("prompt_tokens=")
    ]
    assert len(read) == 2
    assert all(later > earlier + 20 for earlier, later in itertools.pairwise(read))
