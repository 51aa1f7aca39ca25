"""The number's 10DLC papers on the phone page, as somebody who rehearses a rejected campaign."""

from __future__ import annotations

import httpx
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select
from twilio.rest import Client

from local.pretend_twilio.papers import STATES
from tests.browser.chromium import prefer_dark, show_at
from tests.browser.looks import contrast
from tests.browser.page import Page
from tests.pretend_business import ACCOUNT, BUSINESS, CUSTOMER, TOKEN

pytestmark = pytest.mark.browser


def open_papers(page: Page) -> Select:
    page.id("chaos-summary").click()
    page.until(lambda: page.id("papers").find_elements(By.TAG_NAME, "option"))
    return Select(page.id("papers"))


def chosen(page: Page) -> str:
    return str(Select(page.id("papers")).first_selected_option.text)


def test_papers_that_are_not_in_order_are_chosen_and_texts_do_not_arrive(page: Page) -> None:
    papers = open_papers(page)
    assert [option.text for option in papers.options] == list(STATES)
    assert chosen(page) == "approved"
    papers.select_by_visible_text("campaign in review")
    page.until(lambda: "not delivered" in page.id("about-papers").text)
    client = Client(ACCOUNT, TOKEN, environment={"_": ""})
    client.api.base_url = page.url
    client.messages.create(to=CUSTOMER, from_=BUSINESS, body="Good morning")
    page.until(lambda: "Not delivered" in "".join(page.meta()))
    assert "not in an approved 10DLC campaign" in "".join(page.meta())
    Select(page.id("papers")).select_by_visible_text("approved")
    page.until(lambda: page.id("about-papers").text == "Texts go both ways, as its webhook says.")
    assert page.complaints() == []


def test_what_a_script_says_is_shown(page: Page) -> None:
    told = {"number": BUSINESS, "brand": "SUSPENDED"}
    assert httpx.post(f"{page.url}/registration", json=told).status_code == 200
    open_papers(page)
    assert chosen(page) == "as a script says"


def test_they_can_be_read_on_a_small_screen_and_in_the_dark(page: Page) -> None:
    show_at(page.chrome, 375, 667)
    papers = open_papers(page)
    papers.select_by_visible_text("texts swallowed by the Service")
    assert page.id("papers").accessible_name == "10DLC papers of this number"
    panel = page.chrome.find_element(By.CLASS_NAME, "panel")
    assert page.id("papers").rect["width"] <= panel.rect["width"]
    page.chrome.execute_script("document.getElementById('papers').scrollIntoView()")
    for dark in (False, True):
        if dark:
            prefer_dark(page.chrome)
        for selector in (".papers label", "#papers", "#about-papers"):
            assert contrast(page, selector) >= 4.5, (selector, dark)
