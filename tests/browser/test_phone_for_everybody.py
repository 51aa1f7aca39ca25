"""The phone page on small and large screens, by keys alone, read aloud, and in the dark."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.browser.answers import answering, send
from tests.browser.chromium import prefer_dark, show_at
from tests.browser.looks import contrast, has_visible_focus, lightness
from tests.browser.page import Page
from tests.pretend_business import WAIT_S, Business

pytestmark = pytest.mark.browser


def test_a_small_screen_has_no_sideways_scroll(page: Page, business: Business) -> None:
    show_at(page.chrome, 375, 800)
    business.on_text = answering(page.url, "https://example.com/" + "a" * 300)
    page.texts("W" * 200)
    page.until(lambda: len(page.said()) == 2)
    page.types("i" * 400)
    wide = page.chrome.execute_script(
        "return [...document.querySelectorAll('html, .phone, .conversation, .bubble')]"
        ".filter(e => e.scrollWidth > e.clientWidth || e.clientWidth > 375).map(e => e.className)"
    )
    assert wide == []
    assert page.chrome.execute_script(
        "return document.querySelector('.phone').getBoundingClientRect().width"
    ) == pytest.approx(375)
    bottom = page.id("counter").rect
    assert bottom["y"] + bottom["height"] <= 800


def test_a_large_screen_does_not_scroll_as_a_whole(page: Page) -> None:
    for n in range(30):
        send(page.url, f"text {n}")
    page.until(lambda: len(page.said()) == 30)
    tall = page.chrome.execute_script(
        "return [...document.querySelectorAll('html, body, .phone')]"
        ".filter(e => e.scrollHeight > e.clientHeight).map(e => e.tagName)"
    )
    assert tall == []
    left = page.chrome.execute_script(
        "const e = document.getElementById('conversation');"
        "return e.scrollHeight - e.scrollTop - e.clientHeight"
    )
    assert left < 2, "the newest text is out of sight"


def test_everything_can_be_done_with_keys(page: Page, business: Business) -> None:
    page.press("first line")
    ActionChains(page.chrome).key_down(Keys.SHIFT).send_keys(Keys.ENTER).key_up(
        Keys.SHIFT
    ).perform()
    page.press("second line", Keys.ENTER)
    page.sees("You", "first line\nsecond line")
    assert page.focused() == "text"
    page.press("by the button", Keys.TAB)
    assert page.focused() == "send"
    page.press(Keys.SPACE)
    page.sees("You", "by the button")
    assert has_visible_focus(page)
    reached = []
    for _ in range(6):
        page.back_tab()
        reached.append(page.focused())
        assert has_visible_focus(page), reached
    chaos = "chaos-summary"
    assert reached == ["text", "picture", "conversation", chaos, "customer", "business"]
    page.press(*[Keys.TAB] * 4, Keys.ENTER)
    for _ in range(2):
        business.texts.get(timeout=WAIT_S)
    assert business.texts.get(timeout=WAIT_S).form["NumMedia"] == "1"


def test_screen_readers_are_told_what_is_what(page: Page) -> None:
    names = {
        "text": "Your text",
        "send": "Send",
        "picture": "Send a picture",
        "customer": "Your number",
        "business": "Number of the business",
        "log": "The business",
    }
    assert {name: page.id(name).accessible_name for name in names} == names
    assert page.id("log").aria_role == "log"
    assert page.id("log").get_attribute("aria-live") == "polite"
    assert page.id("line").aria_role == "status"
    assert page.chrome.find_element(By.TAG_NAME, "html").get_attribute("lang") == "en"


def test_dark_is_dark_and_both_can_be_read(page: Page) -> None:
    send(page.url, "Hello")
    page.texts("Hello")
    page.until(lambda: len(page.said()) == 2 and page.meta()[0].startswith("Delivered"))
    selectors = [".meta", ".counter", ".line", ".outbound .body", ".inbound .body", "label"]
    for dark in (False, True):
        if dark:
            prefer_dark(page.chrome)
        assert (lightness(page, ".phone") < 0.05) is dark
        for selector in selectors:
            assert contrast(page, selector) >= 4.5, (selector, dark)
