"""The review app in Chromium: keys, news without reloading, phone width, dark, no complaints."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from connectors.store import Store
from tests.browser.chromium import chromium, prefer_dark, prefer_nothing, show_at
from tests.review.browsing import Reviewer
from tests.review.office import Office
from tests.review.said import BEN, Customer
from tests.review.waiting import until_said

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

PAGES = (
    "/",
    "/?shortest=1",
    "SESSION",
    "/numbers",
    "/tags",
    "/dead-letters",
    "/refused",
    "/people",
    "/settings",
    "/audit",
    "/desk",
)
# Every control of a page that has no name for a screen reader.
NAMELESS = """
return [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea")]
  .filter((e) => e.checkVisibility())
  .filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.length
                   || e.title))
  .map((e) => e.outerHTML.slice(0, 120));
"""


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
async def reviewer(chrome: Chrome, office: Office) -> AsyncIterator[Reviewer]:
    show_at(chrome, 1200, 900)
    prefer_nothing(chrome)
    somebody = Reviewer(chrome, office.url)
    await asyncio.to_thread(somebody.sign_in)
    somebody.complaints()
    yield somebody
    chrome.get("about:blank")
    chrome.delete_all_cookies()


async def two_sessions(office: Office, store: Store) -> tuple[Customer, Customer]:
    ada, ben = Customer(store), Customer(store, BEN, "b" * 32)
    for customer in (ada, ben):
        await customer.opens()
        await customer.talks("When are you open?", "From nine.")
    await until_said(office.database, 4)
    return ada, ben


async def test_new_sessions_and_messages_appear_without_reloading(
    reviewer: Reviewer, office: Office, store: Store
) -> None:
    ada, ben = await two_sessions(office, store)
    await asyncio.to_thread(reviewer.open, "/")
    assert reviewer.ids() == [ben.session, ada.session]
    reviewer.chrome.execute_script("window.notReloaded = true")
    await ada.talks("And on Sunday?", "Closed.")
    await asyncio.to_thread(reviewer.until, lambda: reviewer.ids() == [ada.session, ben.session])
    carol = Customer(store, "+15550107777", "c" * 32)
    await carol.opens()
    await carol.talks("hello", "Hi!")
    await asyncio.to_thread(reviewer.until, lambda: reviewer.ids()[0] == carol.session)
    assert reviewer.chrome.execute_script("return window.notReloaded")
    await asyncio.to_thread(reviewer.open, f"/sessions/{carol.session}")
    reviewer.chrome.execute_script("window.notReloaded = true")
    await carol.talks("Are you a bot?", "I am.")
    await asyncio.to_thread(
        reviewer.until,
        lambda: reviewer.texts(".bubble") == ["hello", "Hi!", "Are you a bot?", "I am."],
    )
    assert reviewer.chrome.execute_script("return window.notReloaded")


async def test_triage_by_keys(reviewer: Reviewer, office: Office, store: Store) -> None:
    ada, ben = await two_sessions(office, store)

    def triage() -> None:
        reviewer.open("/")
        reviewer.press("j", "j", "e")
        reviewer.until(lambda: "Reviewed" in "".join(reviewer.texts("#toast")))
        assert reviewer.texts("tr.reviewed .customer a") == ["+1***9999"]
        reviewer.press("z")
        reviewer.until(lambda: reviewer.texts("tr.reviewed") == [])
        reviewer.press("s")
        reviewer.until(lambda: reviewer.texts("tr.saved .customer a") == ["+1***9999"])
        reviewer.press("x")
        assert reviewer.texts("#bulk b") == ["1 chosen"]
        reviewer.press("k")
        assert reviewer.texts("tr.here .customer a") == ["+1***8888"]
        reviewer.chrome.find_element(By.TAG_NAME, "body").click()
        reviewer.press("\ue007")
        reviewer.until(lambda: reviewer.texts("h1") == ["+1***8888"])
        assert reviewer.chrome.current_url.endswith(ben.session)
        reviewer.press("n")
        reviewer.until(lambda: reviewer.chrome.current_url.endswith(ada.session))

    await asyncio.to_thread(triage)


async def test_a_bubble_opens_is_flagged_and_stays_open(
    reviewer: Reviewer, office: Office, store: Store
) -> None:
    ada, _ = await two_sessions(office, store)

    def look() -> None:
        reviewer.open(f"/sessions/{ada.session}")
        reviewer.press("j", "j", "\ue007", "f")
        reviewer.until(lambda: reviewer.texts(".turn.flagged .bubble") == ["From nine."])
        inside = reviewer.texts(".turn.flagged details[open] .inside")[0]
        assert "action_llm_reply by LlmPolicy" in inside
        assert "100 in, 20 out" in inside
        assert "arrived" in inside
        reviewer.press("f")
        reviewer.until(lambda: reviewer.texts(".turn.flagged") == [])
        reviewer.press("e")
        reviewer.until(
            lambda: reviewer.texts("[data-review=reviewed][aria-pressed=true]") == ["Reviewed"]
        )

    await asyncio.to_thread(look)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_every_page_fits_a_phone_names_its_controls_and_has_nothing_to_complain(
    reviewer: Reviewer, office: Office, store: Store, dark: bool
) -> None:
    ada, _ = await two_sessions(office, store)

    def look(path: str) -> None:
        for width in (375, 1200):
            show_at(reviewer.chrome, width, 800)
            reviewer.open(path)
            script = "return document.documentElement.scrollWidth - innerWidth"
            assert reviewer.chrome.execute_script(script) <= 0, (path, width)
        assert reviewer.chrome.execute_script(NAMELESS) == [], path
        assert reviewer.complaints() == [], path

    if dark:
        prefer_dark(reviewer.chrome)
    for path in PAGES:
        await asyncio.to_thread(look, path.replace("SESSION", f"/sessions/{ada.session}"))


async def test_the_list_is_painted_at_once(
    reviewer: Reviewer, office: Office, store: Store, tmp_path: Path
) -> None:
    await two_sessions(office, store)
    await asyncio.to_thread(reviewer.open, "/")
    script = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    painted_ms = await asyncio.to_thread(
        reviewer.until, lambda: reviewer.chrome.execute_script(script)
    )
    print(f"first paint of the list after {painted_ms:.0f} ms")
    assert painted_ms < 5_000  # the aim is 300; a machine that is busy with tests may need longer
