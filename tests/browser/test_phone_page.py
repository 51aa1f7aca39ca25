"""The phone page, as somebody who rehearses with it: types, reads, tabs, comes back later."""

from __future__ import annotations

import random

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from connectors.segments import count
from local.ports import free_port
from tests.browser.answers import ANSWER, answering, send
from tests.browser.chromium import show_at
from tests.browser.page import Page
from tests.pretend_business import (
    BUSINESS,
    CUSTOMER,
    SECOND_BUSINESS,
    WAIT_S,
    Business,
    open_business,
    open_twilio,
    pretend_config,
)

pytestmark = pytest.mark.browser


def test_an_empty_phone_explains_itself(page: Page) -> None:
    assert "you are the customer" in page.id("empty").text
    assert page.id("customer").get_attribute("value") == CUSTOMER
    assert page.focused() == "text"


def test_a_text_is_answered_live(page: Page, business: Business) -> None:
    business.on_text = answering(page.url)
    page.texts("Are you open?")
    page.sees("The business", ANSWER)
    assert page.said() == [("You", "Are you open?"), ("The business", ANSWER)]
    page.until(lambda: page.meta() == ["Taken by the business", "Delivered · 1 segment · GSM-7"])
    assert page.id("text").get_attribute("value") == ""
    assert not page.id("empty").is_displayed()
    assert page.complaints() == []


def test_a_delivery_is_seen_step_by_step(page: Page) -> None:
    page.chrome.execute_script(
        """
        window.steps = [];
        new MutationObserver(() => {
          const now = document.querySelector(".state")?.textContent;
          if (now && window.steps.at(-1) !== now) window.steps.push(now);
        }).observe(document.getElementById("log"),
                   { childList: true, subtree: true, characterData: true });
        """
    )
    send(page.url, "— one moment —")
    page.until(lambda: page.meta() == ["Delivered · 1 segment · UCS-2"])
    steps = page.chrome.execute_script("return window.steps")
    assert steps == ["Queued", "Sending", "Sent", "Delivered"]


def test_a_failure_is_said_in_words(page: Page) -> None:
    page.is_now("+1 (500) 555-0011")
    send(page.url, "Hello", to="+15005550011")
    page.until(
        lambda: (
            page.meta()
            == ["Not delivered: the handset cannot be reached (30003) · 1 segment · GSM-7"]
        )
    )


def test_a_text_that_the_business_refuses_is_marked(page: Page, business: Business) -> None:
    business.status = 503
    page.texts("Hello?")
    page.until(lambda: page.meta() == ["Not delivered to the business: 503"])
    page.until(lambda: page.id("note").text == "Not delivered to the business: 503.")
    assert page.id("note").get_attribute("role") == "alert"
    assert not page.id("waiting").is_displayed()


def test_waiting_is_shown_only_while_an_answer_is_due(page: Page, business: Business) -> None:
    business.open.clear()
    page.texts("Hello?")
    page.until(lambda: page.meta() == ["Sending"])
    assert not page.id("waiting").is_displayed()
    business.open.set()
    page.until(lambda: page.id("waiting").is_displayed())
    assert page.id("waiting").text == "Waiting for the answer"
    send(page.url, ANSWER)
    page.sees("The business", ANSWER)
    assert not page.id("waiting").is_displayed()


def test_stop_is_answered_by_twilio_itself(page: Page) -> None:
    page.texts("STOP")
    page.until(lambda: len(page.said()) == 2)
    assert page.said()[1][0] == "Twilio"
    page.until(lambda: page.meta()[1] == "Twilio’s own answer · Delivered · 1 segment · GSM-7")


def test_a_picture_can_be_sent_without_words(page: Page, business: Business) -> None:
    page.id("picture").click()
    form = business.texts.get(timeout=WAIT_S).form
    assert (form["Body"], form["NumMedia"], form["MediaContentType0"]) == ("", "1", "image/png")
    page.until(
        lambda: page.chrome.execute_script(
            "const i = document.querySelector('.picture'); return i?.complete && i.naturalWidth > 0"
        )
    )
    assert page.complaints() == []


def test_markup_is_shown_as_it_was_written(page: Page, business: Business) -> None:
    evil = "<img src=x onerror=\"document.title='owned'\"><script>alert(1)</script> {{7*7}}"
    business.on_text = answering(page.url, evil)
    page.texts(evil)
    page.until(lambda: page.said() == [("You", evil), ("The business", evil)])
    assert page.chrome.title == "Pretend phone"
    assert page.id("log").find_elements(By.CSS_SELECTOR, "img, script, b") == []
    assert page.complaints() == []


def test_the_number_is_remembered_and_others_are_not_seen(page: Page, business: Business) -> None:
    other = "+15550108888"
    page.texts("from the first phone")
    page.sees("You", "from the first phone")
    page.is_now(other)
    page.until(lambda: page.said() == [])
    page.texts("from the other phone")
    page.sees("You", "from the other phone")
    froms = [business.texts.get(timeout=WAIT_S).form["From"] for _ in range(2)]
    assert froms == [CUSTOMER, other]
    page.open()
    page.sees("You", "from the other phone")
    assert page.id("customer").get_attribute("value") == other
    assert len(page.said()) == 1


def test_a_number_that_is_none_is_told(page: Page, business: Business) -> None:
    page.is_now("12")
    page.until(lambda: "+15550109999" in page.id("note").text)
    assert page.id("customer").get_attribute("aria-invalid") == "true"
    page.texts("Hello?")
    assert page.focused() == "customer"
    assert page.id("text").get_attribute("value") == "Hello?"
    assert business.texts.qsize() == 0


def test_one_of_several_business_numbers_can_be_chosen(page: Page, business: Business) -> None:
    page.texts("to the first")
    page.sees("You", "to the first")
    Select(page.id("business")).select_by_visible_text(SECOND_BUSINESS)
    page.until(lambda: page.said() == [])
    page.texts("to the second")
    page.sees("You", "to the second")
    tos = [business.texts.get(timeout=WAIT_S).form["To"] for _ in range(2)]
    assert tos == [BUSINESS, SECOND_BUSINESS]


def test_the_phone_comes_back_after_twilio_was_restarted(
    browser: Chrome, business: Business
) -> None:
    config, port = pretend_config(business.url), free_port()
    show_at(browser, 1200, 900)
    with open_twilio(config, port) as url:
        page = Page(browser, url).open()
        page.texts("before")
        page.until(lambda: page.meta() == ["Taken by the business"])
    page.until(lambda: page.line() == "Reconnecting")
    page.texts("into the void")
    page.until(lambda: "does not answer" in page.id("note").text)
    assert page.id("text").get_attribute("value") == "into the void"
    # The browser tries a dead port again by itself, but gives up on an address that is not there.
    with open_business(Business(), port):
        page.until(lambda: any("404" in complaint for complaint in page.complaints()))
    with open_twilio(config, port):
        page.until(lambda: page.line() == "Connected")
        business.on_text = answering(url)
        page.types(Keys.ENTER)
        page.sees("The business", ANSWER)
        assert page.said() == [
            ("You", "before"),
            ("You", "into the void"),
            ("The business", ANSWER),
        ]
        assert "was restarted" in page.id("log").text
        browser.get("about:blank")


def test_the_counter_follows_the_typing(page: Page) -> None:
    page.types("Hello {you}")
    assert page.id("counter").text == "13 of 160 · 1 segment · GSM-7"
    page.types("’")
    assert page.id("counter").text == "12 of 70 · 1 segment · UCS-2"
    page.chrome.execute_script(
        "const t = document.getElementById('text'); t.value = 'a'.repeat(1601);"
        "t.dispatchEvent(new Event('input'))"
    )
    expected = "1601 of 1683 · 11 segments · GSM-7 · over 1600 characters"
    assert page.id("counter").text == expected
    page.types(Keys.ENTER)
    page.until(lambda: "at most 1600" in page.id("note").text)
    assert page.said() == []


def test_the_page_counts_segments_as_the_server_does(page: Page) -> None:
    chance = random.Random(7)
    letters = "aé€{\n@`ç–😀e\u0301"
    texts = ["", "a" * 160, "a" * 161, "a" * 152 + "€" + "a" * 152, "😀" * 35, "😀" * 36]
    texts += [
        "".join(
            chance.choices(letters[: chance.choice((6, len(letters)))], k=chance.randint(0, 500))
        )
        for _ in range(300)
    ]
    counted = page.chrome.execute_async_script(
        """
        const [texts, done] = arguments;
        import("/static/segments.js").then(({ count }) => done(texts.map((t) => {
          const { encoding, units, segments } = count(t);
          return [encoding, units, segments];
        })));
        """,
        texts,
    )
    assert [tuple(each) for each in counted] == [tuple(count(text)) for text in texts]
