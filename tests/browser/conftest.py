"""A browser, a business, and the phone page between them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome

from tests.browser.chromium import chromium, prefer_nothing, show_at
from tests.browser.page import Page
from tests.pretend_business import Business, open_business, open_twilio, pretend_config


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def business() -> Iterator[Business]:
    with open_business(Business()) as opened:
        yield opened


@pytest.fixture
def page(browser: Chrome, business: Business) -> Iterator[Page]:
    show_at(browser, 1200, 900)
    prefer_nothing(browser)
    with open_twilio(pretend_config(business.url)) as url:
        opened = Page(browser, url).open()
        opened.complaints()
        yield opened
        browser.get("about:blank")
