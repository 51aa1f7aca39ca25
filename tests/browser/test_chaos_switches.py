"""The chaos switches on the phone page, as somebody who rehearses trouble by hand."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from local.ports import free_port
from tests.browser.chromium import prefer_dark, show_at
from tests.browser.looks import contrast, has_visible_focus
from tests.browser.page import Page
from tests.pretend_business import (
    ACCOUNT,
    BUSINESS,
    CUSTOMER,
    TOKEN,
    WAIT_S,
    Business,
    open_twilio,
    pretend_config,
)

pytestmark = pytest.mark.browser

SWITCHES = {
    "duplicates": "Duplicate webhooks",
    "slow": "Slow network",
    "errors": "Twilio errors",
    "reports": "Late and repeated delivery reports",
}

HIT = "Taken by the business · posted 2 times at once · 20 ms late"


def summary(page: Page) -> WebElement:
    return page.id("chaos-summary")


def open_panel(page: Page) -> None:
    summary(page).click()
    page.until(lambda: page.id("calm").is_displayed())


def switch(page: Page, name: str) -> WebElement:
    found: WebElement = page.chrome.find_element(By.NAME, name)
    return found


def state(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{page.url}/chaos").json()
    return found


def are_on(page: Page) -> list[str]:
    return [name for name, is_on in state(page)["switches"].items() if is_on]


def script(page: Page, **troubles: list[Any]) -> None:
    assert httpx.post(f"{page.url}/chaos/script", json=troubles).status_code == 200


def send(page: Page, body: str, callback: str | None = None) -> None:
    client = Client(ACCOUNT, TOKEN, environment={"_": ""})
    client.api.base_url = page.url
    client.messages.create(to=CUSTOMER, from_=BUSINESS, body=body, status_callback=callback)


def test_it_is_out_of_the_way_until_it_is_wanted(page: Page) -> None:
    assert summary(page).text == "Chaos off"
    assert not switch(page, "slow").is_displayed()
    top = page.id("conversation").rect["y"]
    open_panel(page)
    assert page.id("conversation").rect["y"] == top
    page.id("name").click()
    page.until(lambda: not switch(page, "slow").is_displayed())


@pytest.mark.parametrize("name", SWITCHES)
def test_each_switch_makes_trouble_and_ends_it(page: Page, name: str) -> None:
    open_panel(page)
    switch(page, name).click()
    page.until(lambda: summary(page).text == "Chaos on")
    assert are_on(page) == [name]
    switch(page, name).click()
    page.until(lambda: summary(page).text == "Chaos off")
    assert are_on(page) == []
    assert page.complaints() == []


def test_duplicates_reach_the_business_and_are_written_on_the_bubble(
    page: Page, business: Business
) -> None:
    open_panel(page)
    page.chrome.find_element(By.XPATH, "//label[contains(., 'Duplicate webhooks')]").click()
    page.until(lambda: are_on(page) == ["duplicates"])
    page.press(Keys.ESCAPE)
    page.texts("Are you open?")
    posts = [business.texts.get(timeout=WAIT_S) for _ in range(2)]
    assert posts[0].form["MessageSid"] == posts[1].form["MessageSid"]
    page.until(lambda: "Taken by the business · posted " in "".join(page.meta()))
    open_panel(page)
    page.until(lambda: page.id("chaos-done").text == "So far: 1 text duplicated.")


def test_all_calm_ends_everything(page: Page) -> None:
    open_panel(page)
    assert not page.id("calm").is_enabled()
    for name in ("slow", "errors"):
        switch(page, name).click()
        page.until(lambda name=name: name in are_on(page))  # type: ignore[misc]
    page.until(lambda: page.id("calm").is_enabled())
    page.id("calm").click()
    page.until(lambda: summary(page).text == "Chaos off")
    assert not any(switch(page, name).is_selected() for name in SWITCHES)
    assert state(page)["active"] is False
    assert page.focused() == "chaos-summary"


def test_what_was_done_to_a_message_is_said_in_its_meta_line(
    page: Page, business: Business
) -> None:
    script(page, messages=["500 after"], callbacks=["ok", "lost"], webhooks=["lost"])
    with pytest.raises(TwilioRestException):
        send(page, "Good morning", f"{business.url}/status")
    page.until(
        lambda: (
            page.meta()
            == ["Delivered · 1 segment · GSM-7 · answered with 500 · report of “sent” never posted"]
        )
    )
    page.texts("Hello?")
    page.until(lambda: "Never posted to the business · never posted" in page.meta())
    assert not page.id("waiting").is_displayed()


def test_trouble_that_a_script_makes_is_shown_too(page: Page) -> None:
    script(page, messages=["429"])
    open_panel(page)
    page.until(lambda: summary(page).text == "Chaos on")
    assert not any(switch(page, name).is_selected() for name in SWITCHES)
    with pytest.raises(TwilioRestException):
        send(page, "Good morning")
    page.until(lambda: page.id("chaos-done").text == "So far: 1 error for 1 message.")
    page.until(lambda: summary(page).text == "Chaos off")


def test_everything_can_be_done_from_the_keyboard(page: Page) -> None:
    page.id("customer").click()
    page.press(Keys.TAB)
    assert page.focused() == "chaos-summary"
    page.press(Keys.ENTER)
    for name in SWITCHES:
        page.press(Keys.TAB)
        assert page.chrome.switch_to.active_element.get_attribute("name") == name
        assert has_visible_focus(page)
        page.press(Keys.SPACE)
        page.until(lambda name=name: name in are_on(page))  # type: ignore[misc]
    page.until(lambda: page.id("calm").is_enabled())
    page.press(Keys.TAB)
    assert page.focused() == "calm"
    assert has_visible_focus(page)
    page.press(Keys.ENTER)
    page.until(lambda: are_on(page) == [] and page.focused() == "chaos-summary")
    page.press(Keys.TAB, Keys.ESCAPE)
    assert page.focused() == "chaos-summary"
    assert not switch(page, "slow").is_displayed()


def test_screen_readers_are_told_what_is_what(page: Page) -> None:
    open_panel(page)
    assert {name: switch(page, name).accessible_name for name in SWITCHES} == SWITCHES
    for name in SWITCHES:
        assert switch(page, name).aria_role == "switch"
        about = page.id(str(switch(page, name).get_attribute("aria-describedby")))
        assert about.text
    group = page.chrome.find_element(By.TAG_NAME, "fieldset")
    assert (group.aria_role, group.accessible_name) == ("group", "Trouble to rehearse")
    assert page.id("chaos-problem").get_attribute("role") == "alert"


def test_it_fits_a_small_screen_and_can_be_read_in_the_dark(page: Page) -> None:
    show_at(page.chrome, 375, 667)
    script(page, webhooks=[{"duplicate": 1, "delay_ms": 20}])
    page.texts("Hello?")
    page.until(lambda: page.meta() == [HIT])
    open_panel(page)
    switch(page, "slow").click()
    page.until(lambda: page.id("calm").is_enabled())
    wide = page.chrome.execute_script(
        "return [...document.querySelectorAll('html, .phone, .identity, .panel')]"
        ".filter(e => e.scrollWidth > e.clientWidth || e.clientWidth > 375).map(e => e.className)"
    )
    assert wide == []
    panel = page.chrome.find_element(By.CLASS_NAME, "panel").rect
    assert panel["x"] >= 0
    assert panel["x"] + panel["width"] <= 375
    assert panel["y"] + panel["height"] <= 667
    for dark in (False, True):
        if dark:
            prefer_dark(page.chrome)
        for selector in (".about", ".done", ".switch span", "#chaos-summary", ".trouble", ".calm"):
            assert contrast(page, selector) >= 4.5, (selector, dark)


def test_a_restarted_twilio_is_calm_and_the_page_says_so(
    browser: Chrome, business: Business
) -> None:
    config, port = pretend_config(business.url), free_port()
    show_at(browser, 1200, 900)
    with open_twilio(config, port) as url:
        page = Page(browser, url).open()
        open_panel(page)
        switch(page, "errors").click()
        page.until(lambda: summary(page).text == "Chaos on")
    page.until(lambda: "does not answer" in page.id("chaos-problem").text)
    switch(page, "slow").click()
    page.until(lambda: not switch(page, "slow").is_selected())
    with open_twilio(config, port):
        page.until(lambda: summary(page).text == "Chaos off")
        page.until(lambda: page.id("chaos-problem").text == "")
        assert not switch(page, "errors").is_selected()
        browser.get("about:blank")
