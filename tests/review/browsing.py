"""Somebody who reviews sessions in Chromium."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.review.office import PASSWORD, WAIT_S


class Reviewer:
    """Somebody with a browser. Its steps block, so they run beside the event loop."""

    def __init__(self, chrome: Any, url: str) -> None:
        self.chrome = chrome  # selenium has no types for what runs scripts
        self.url = url

    def sign_in(self) -> None:
        self.open("/sign-in")
        self.chrome.find_element(By.NAME, "name").send_keys("admin")
        self.chrome.find_element(By.NAME, "password").send_keys(PASSWORD)
        self.chrome.find_element(By.CSS_SELECTOR, "button.main").click()
        self.until(lambda: self.texts("h1") == ["Sessions"])

    def open(self, path: str) -> None:
        self.chrome.get(self.url + path)

    def until(self, happens: Callable[[], Any]) -> Any:
        waiting = WebDriverWait(self.chrome, WAIT_S, poll_frequency=0.05)
        return waiting.until(lambda _: happens())

    def texts(self, selector: str) -> list[str]:
        """The words of all that match, in one go, so that nothing moves meanwhile."""
        script = "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText.trim())"
        found: list[str] = self.chrome.execute_script(script, selector)
        return found

    def ids(self) -> list[str]:
        script = "return [...document.querySelectorAll('#rows tr')].map(e => e.dataset.session)"
        found: list[str] = self.chrome.execute_script(script)
        return found

    def press(self, *keys: str) -> None:
        ActionChains(self.chrome).send_keys(*keys).perform()

    def complaints(self) -> list[str]:
        """What the console says, other than hints about password forms."""
        entries = self.chrome.get_log("browser")
        return [e["message"] for e in entries if "[DOM] Password forms" not in e["message"]]
