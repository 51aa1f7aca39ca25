"""The phone page, as whoever holds the phone sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.pretend_business import WAIT_S


@dataclass
class Page:
    """What somebody sees and does on the phone."""

    chrome: Any  # selenium has no types for what runs scripts
    url: str
    patience: float = WAIT_S  # seconds

    def open(self) -> Page:
        self.chrome.get(self.url)
        self.until(lambda: self.line() == "Connected")
        return self

    def until(self, happens: Callable[[], Any]) -> Any:
        return WebDriverWait(self.chrome, self.patience, poll_frequency=0.02).until(
            lambda _: happens()
        )

    def id(self, name: str) -> WebElement:
        element: WebElement = self.chrome.find_element(By.ID, name)
        return element

    def line(self) -> str:
        return self.id("line").text

    def types(self, text: str) -> None:
        self.id("text").send_keys(text)

    def texts(self, text: str) -> None:
        self.types(text + Keys.ENTER)

    def is_now(self, number: str) -> None:
        field = self.id("customer")
        field.clear()
        field.send_keys(number + Keys.ENTER)

    def said(self) -> list[tuple[str, str]]:
        """(who, words) of each bubble, read in one go, so that nothing moves meanwhile."""
        pairs: list[list[str]] = self.chrome.execute_script(
            "return [...document.querySelectorAll('.text')].map(e => ["
            " e.querySelector('.hidden').textContent.replace(': ', ''),"
            " e.querySelector('.body')?.textContent ?? ''])"
        )
        return [(who, words) for who, words in pairs]

    def meta(self) -> list[str]:
        lines: list[str] = self.chrome.execute_script(
            "return [...document.querySelectorAll('.meta')].map(e => e.textContent)"
        )
        return lines

    def sees(self, who: str, words: str) -> None:
        self.until(lambda: (who, words) in self.said())

    def focused(self) -> str:
        return str(self.chrome.execute_script("return document.activeElement.id"))

    def press(self, *keys: str) -> None:
        ActionChains(self.chrome).send_keys(*keys).perform()

    def back_tab(self) -> None:
        ActionChains(self.chrome).key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(
            Keys.SHIFT
        ).perform()

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.chrome.get_log("browser")]
