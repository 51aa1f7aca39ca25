"""The phone page, as somebody who rehearses with it: types, reads, tabs, comes back later."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from twilio.rest import Client

from connectors.segments import count
from local.ports import free_port
from tests.browser.chromium import prefer_dark, show_at
from tests.browser.page import Page
from tests.pretend_business import (
    ACCOUNT,
    BUSINESS,
    CUSTOMER,
    SECOND_BUSINESS,
    TOKEN,
    WAIT_S,
    Business,
    Post,
    open_business,
    open_twilio,
    pretend_config,
)

pytestmark = pytest.mark.browser

ANSWER = "Good morning! We are open until four."


def send(url: str, body: str, to: str = CUSTOMER, sender: str = BUSINESS) -> None:
    client = Client(ACCOUNT, TOKEN, environment={"_": ""})
    client.api.base_url = url
    client.messages.create(to=to, from_=sender, body=body)


def answering(url: str, words: str = ANSWER) -> Callable[[Post], None]:
    return lambda post: send(url, words, to=post.form["From"], sender=post.form["To"])


# ---- a conversation


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


# ---- whose phone, which number


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


# ---- the line breaks


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


# ---- reading and reaching everything


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


def has_visible_focus(page: Page) -> bool:
    style, width = page.chrome.execute_script(
        "const s = getComputedStyle(document.activeElement);"
        "return [s.outlineStyle, parseFloat(s.outlineWidth)]"
    )
    return bool(style != "none" and width >= 2)


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


def colours(page: Page, selector: str) -> tuple[list[float], list[float]]:
    """The element's own colour, and the first one behind it that is not transparent."""
    found: list[list[float]] = page.chrome.execute_script(
        """
        const read = (c) => c.match(/[\\d.]+/g).map(Number);
        let element = document.querySelector(arguments[0]);
        const ink = read(getComputedStyle(element).color);
        for (;; element = element.parentElement) {
          const back = read(getComputedStyle(element).backgroundColor);
          if (back.length === 3) return [ink, back];
        }
        """,
        selector,
    )
    return found[0], found[1]


def luminance(colour: list[float]) -> float:
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (part / 255 for part in colour[:3])
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def lightness(page: Page, selector: str) -> float:
    return luminance(colours(page, selector)[1])


def contrast(page: Page, selector: str) -> float:
    darker, lighter = sorted(map(luminance, colours(page, selector)))
    return (lighter + 0.05) / (darker + 0.05)


# ---- segments


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
