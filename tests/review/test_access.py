"""Nobody sees anything, and everybody only what their role allows."""

from __future__ import annotations

import asyncio
import inspect

import httpx
import pytest
from argon2 import PasswordHasher
from starlette.routing import Route

from connectors.store import Store
from review import passwords
from review.access import Role
from review.signins import FAILURES_OF_A_NAME
from tests.review.office import PASSWORD, Office
from tests.review.said import Customer

pytestmark = pytest.mark.integration

OPEN = {"/sign-in", "/static/app.css", "/static/app.js", "/static/icon.svg"}
MADE_UP = {"id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}


def routes(office: Office) -> list[Route]:
    return list(office.server.review_app.routes)  # type: ignore[arg-type]


def ask(browser: httpx.Client, made: Route, method: str) -> int:
    path = made.path
    for name in made.param_convertors:
        path = path.replace("{" + name, "{").replace("{:int}", "1").replace("{}", MADE_UP["id"])
    with browser.stream(method, path) as answer:
        return answer.status_code


def test_every_route_as_every_role_and_as_nobody(office: Office) -> None:
    browsers = {role: office.somebody(role) for role in Role}
    for made in routes(office):
        needed: Role = made.role  # type: ignore[attr-defined]
        assert (needed is Role.NOBODY) == (made.path in OPEN), made.path
        for method in (made.methods or set()) - {"HEAD"}:
            if made.path in ("/sign-out", "/sign-in"):
                continue
            for role, browser in browsers.items():
                status = ask(browser, made, method)
                turned_away = status in (401, 403) or (status == 303 and role is Role.NOBODY)
                allowed = role >= needed
                assert turned_away != allowed, (method, made.path, role, status)
                assert status < 500 or status == 503, (method, made.path, role, status)


def test_what_is_not_there_says_nothing_to_strangers(office: Office) -> None:
    nobody = office.browser()
    assert nobody.get("/static/list.js").status_code == 303
    assert nobody.get("/nothing").status_code == 404
    assert nobody.get("/static/../app.py").status_code == 404


def test_nobody_is_led_to_the_door_and_back(office: Office) -> None:
    browser = office.browser()
    answer = browser.get("/?state=live&q=a%20b")
    assert answer.headers["location"] == "/sign-in?next=%2F%3Fstate%3Dlive%26q%3Da%2520b"
    credentials = {"name": "admin", "password": PASSWORD, "next": "/?state=live&q=a%20b"}
    answer = browser.post("/sign-in", data=credentials)
    assert answer.headers["location"] == "/?state=live&q=a%20b"
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=lax" in answer.headers["set-cookie"]


@pytest.mark.parametrize("goal", ["https://evil.example", "//evil.example", "/\\evil.example"])
def test_signing_in_leads_to_no_other_site(office: Office, goal: str) -> None:
    credentials = {"name": "admin", "password": PASSWORD, "next": goal}
    answer = office.browser().post("/sign-in", data=credentials)
    assert answer.headers["location"] == "/"


def test_cookies_are_for_tls_except_on_this_machine(office: Office) -> None:
    credentials = {"name": "admin", "password": PASSWORD}
    here = office.browser().post("/sign-in", data=credentials)
    assert "Secure" not in here.headers["set-cookie"]
    browser = office.browser()
    browser.headers["host"] = "review.example.com"
    there = browser.post("/sign-in", data=credentials)
    assert "Secure" in there.headers["set-cookie"]
    proxied = {"x-forwarded-proto": "https"}
    there = office.browser().post("/sign-in", data=credentials, headers=proxied)
    assert "Secure" in there.headers["set-cookie"]


def test_wrong_passwords_are_counted_and_then_even_the_right_one_waits(office: Office) -> None:
    browser = office.browser()
    wrong = {"name": "admin", "password": "wrong-wrong-wrong"}
    statuses = [browser.post("/sign-in", data=wrong).status_code for _ in range(6)]
    assert statuses == [403] * FAILURES_OF_A_NAME + [429]
    right = {"name": "admin", "password": PASSWORD}
    assert browser.post("/sign-in", data=right).status_code == 429


def test_passwords_are_slow_to_try() -> None:
    shipped = inspect.getsource(passwords)
    assert "_hasher = PasswordHasher()" in shipped
    assert PasswordHasher().hash(PASSWORD).startswith("$argon2id$v=19$m=65536,t=3")


def test_a_name_that_is_none_is_refused_like_a_wrong_password(office: Office) -> None:
    answer = office.browser().post("/sign-in", data={"name": "nobody", "password": "x" * 12})
    assert answer.status_code == 403
    assert "Name or password is wrong." in answer.text


def test_signing_out_ends_it(office: Office) -> None:
    browser = office.signed_in("admin")
    cookie = browser.cookies["review"]
    assert browser.post("/sign-out").headers["location"] == "/sign-in"
    assert office.browser().get("/", cookies={"review": cookie}).status_code == 303


def test_another_sites_page_cannot_post(office: Office) -> None:
    browser = office.signed_in("admin")
    foreign = {"origin": "https://evil.example"}
    assert browser.post("/sign-out", headers=foreign).status_code == 403
    assert browser.post("/sign-out", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    credentials = {"name": "admin", "password": PASSWORD}
    assert office.browser().post("/sign-in", data=credentials, headers=foreign).status_code == 403
    del browser.headers["x-csrf-token"]
    assert browser.post("/sign-out").status_code == 403
    assert browser.get("/").status_code == 200


def test_who_is_changed_or_sent_away_is_out_at_once(office: Office) -> None:
    browser = office.somebody(Role.REVIEWER)
    person = next(p for p in office.accounts.people() if p["name"] == "a-reviewer")
    office.accounts.change(person["id"], "admin", disabled=True)
    assert browser.get("/").status_code == 303
    answer = office.browser().post("/sign-in", data={"name": "a-reviewer", "password": PASSWORD})
    assert answer.status_code == 403


def test_a_token_opens_what_its_role_may_and_no_more_once_revoked(office: Office) -> None:
    program = office.program(Role.VIEWER)
    assert program.get("/").status_code == 200
    (token,) = office.tokens.all()
    office.tokens.revoke(token["id"], "admin")
    assert program.get("/").status_code == 401


def test_every_answer_keeps_to_itself(office: Office) -> None:
    for browser in (office.browser(), office.signed_in("admin")):
        for path in ("/sign-in", "/static/app.css", "/nothing", "/"):
            headers = browser.get(path).headers
            assert "script-src 'self'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"


def test_a_body_that_is_too_large_is_not_read(office: Office) -> None:
    answer = office.signed_in("admin").post("/sign-out", content=b"x" * 300_000)
    assert answer.status_code == 413


async def office_shows(browser: httpx.Client, session: str) -> str:
    while session not in (page := (await asyncio.to_thread(browser.get, "/")).text):
        await asyncio.sleep(0.1)
    return page


async def test_what_a_customer_wrote_is_text_and_the_number_is_masked(
    each_office: Office, store: Store
) -> None:
    ada = Customer(store)
    await ada.opens()
    await ada.talks("<script>alert(1)</script>{{ 7 * 7 }}", '"><img src=x onerror=alert(2)>')
    browser = each_office.signed_in("admin")
    page = await office_shows(browser, ada.session)
    page += browser.get(f"/sessions/{ada.session}").text
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7 * 7 }}" in page
    assert ada.number not in page
    assert "+1***9999" in page
