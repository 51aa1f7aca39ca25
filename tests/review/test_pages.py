"""The list and a session's page, without scripts; and the parts that the scripts ask for."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from html import unescape

import httpx
import pytest
from sqlalchemy import func, select

from connectors import keys
from connectors.dead_letters import DeadLetter
from connectors.store import Store
from review import tables
from review.access import Role
from tests.review.office import PASSWORD, Office
from tests.review.reading import Reader, reader_of
from tests.review.said import ADA, BEN, BUSINESS, Customer
from tests.review.waiting import until_said

NASTY = "<img src=x onerror=alert(1)>\"'</textarea><script>alert(2)</script>"


@pytest.fixture
async def reviewer(office: Office) -> AsyncIterator[Reader]:
    reader = reader_of(office, Role.REVIEWER)
    yield reader
    await reader.client.aclose()


async def shown(office: Office, *customers: Customer) -> None:
    """What the customers said is in the database."""
    await until_said(office.database, sum(len(customer.bodies) for customer in customers))


async def test_the_newest_session_comes_first_and_its_number_is_masked(
    office: Office, store: Store, reviewer: Reader
) -> None:
    ada, ben = Customer(store), Customer(store, BEN, "b" * 32)
    for customer in (ada, ben):
        await customer.opens()
        await customer.talks("When are you open?", "From nine.")
    await shown(office, ada, ben)
    page = await reviewer.page("/")
    assert re.findall(r'data-session="(\w+)"', page) == [ben.session, ada.session]
    assert "+1***8888" in page
    assert BEN not in page


async def test_filters_live_in_the_address(office: Office, store: Store, reviewer: Reader) -> None:
    ada, ben = Customer(store), Customer(store, BEN, "b" * 32)
    await ada.opens()
    await ada.talks("Do you repair bikes?", "We do.")
    await ben.opens()
    await ben.talks("Where are you?", "Main Street.")
    await shown(office, ada, ben)
    page = await reviewer.page("/?q=bikes")
    assert re.findall(r'data-session="(\w+)"', page) == [ada.session]
    assert 'value="bikes"' in page
    assert f'href="/sessions/{ada.session}?q=bikes"' in page  # and it leads back to this list
    assert 'href="/?q=bikes"' in await reviewer.page(f"/sessions/{ada.session}?q=bikes")


async def test_a_filter_that_is_none_is_named(reviewer: Reader) -> None:
    answer = await reviewer.get("/?state=asleep")
    assert answer.status_code == 400
    assert answer.text.startswith("state must be one of live")


async def test_sessions_are_judged_and_the_judgement_is_undone(
    office: Office, store: Store, reviewer: Reader
) -> None:
    ada = Customer(store)
    await ada.opens()
    await ada.talks("hello", "Hi!")
    await shown(office, ada)
    of_ada = f"/sessions/{ada.session}"
    for path, given in {
        "review": {"status": "reviewed"},
        "tag": {"tag": "pricing"},
        "comment": {"text": "Well said."},
        "rating": {"stars": "4"},
    }.items():
        answer = await reviewer.post(f"{of_ada}/{path}", **given)
        assert answer.headers["location"] == of_ada
    page = await reviewer.page(of_ada)
    assert 'data-review="reviewed" aria-pressed="true"' in page
    assert "Well said." in page
    assert page.count('class="on"') == 4
    row = await reviewer.part("/?review=reviewed")
    assert "pricing" in row
    assert "<html" not in row
    await reviewer.post(f"{of_ada}/undo")
    assert not (await reviewer.part("/?review=reviewed")).strip()


async def test_a_message_is_flagged_and_its_intent_corrected(
    office: Office, store: Store, reviewer: Reader
) -> None:
    ada = Customer(store)
    await ada.opens()
    await ada.talks("hello", "Hi!")
    await shown(office, ada)
    of_ada = f"/sessions/{ada.session}"
    asked, answered = dict.fromkeys(
        re.findall(r'<li class="turn.*?" id="(m\d+)"', await reviewer.page(of_ada))
    )
    flow = await reviewer.changes(f"{of_ada}/flag", message=asked, on="1")
    assert "customer flagged" in flow
    flow = await reviewer.changes(f"{of_ada}/correct", message=asked, intent="greet")
    assert "greet (corrected)" in flow
    flow = await reviewer.changes(f"{of_ada}/correct", message=answered, ideal="Hello, Ada!")
    assert "Hello, Ada!" in flow
    flow = await reviewer.changes(f"{of_ada}/flag", message=asked, on="0")
    assert "customer flagged" not in flow


async def test_several_at_once(office: Office, store: Store, reviewer: Reader) -> None:
    customers = [Customer(store, f"+1555011000{n}", f"{n}" * 32) for n in range(3)]
    for customer in customers:
        await customer.opens()
        await customer.talks("hello", "Hi!")
    await shown(office, *customers)
    chosen = [customer.session for customer in customers[:2]]
    answer = await reviewer.post(
        "/sessions/bulk", session=chosen, do="saved", query="review=unread"
    )
    assert answer.headers["location"] == "/?review=unread"
    page = await reviewer.page("/?review=saved")
    assert set(re.findall(r'data-session="(\w+)"', page)) == set(chosen)


async def test_views_are_saved_shared_and_forgotten(office: Office, reviewer: Reader) -> None:
    answer = await reviewer.post("/views", name="Broken", query="state=failed", shared="1")
    assert answer.headers["location"] == "/?state=failed"
    other = reader_of(office, Role.VIEWER)
    page = await other.page("/?state=failed")
    assert ">Broken</a>" in page
    view = re.findall(r"/views/(\d+)/forget", page)[0]
    assert (await other.post(f"/views/{view}/forget")).status_code == 422  # somebody else's
    await reviewer.post(f"/views/{view}/forget")
    assert ">Broken</a>" not in await other.page("/")
    await other.client.aclose()


async def test_whatever_a_customer_writes_stays_text(
    office: Office, store: Store, reviewer: Reader
) -> None:
    ada = Customer(store)
    await ada.opens()
    await ada.talks(NASTY, NASTY)
    await shown(office, ada)
    of_ada = f"/sessions/{ada.session}"
    await reviewer.post(f"{of_ada}/tag", tag=NASTY[:60])
    await reviewer.post(f"{of_ada}/comment", text=NASTY)
    for page in (await reviewer.page("/"), await reviewer.page(of_ada)):
        assert "<img" not in page
        assert "alert(2)</script" not in page
        assert NASTY in unescape(page)


async def test_viewers_see_and_do_not_touch(office: Office, store: Store) -> None:
    ada = Customer(store)
    await ada.opens()
    await ada.talks("hello", "Hi!")
    await shown(office, ada)
    viewer = reader_of(office, Role.VIEWER)
    page = await viewer.page(f"/sessions/{ada.session}")
    assert "Hi!" in page
    assert "/flag" not in page
    assert "/comment" not in page
    refused = await viewer.post(f"/sessions/{ada.session}/review", status="reviewed")
    assert refused.status_code == 403
    await viewer.client.aclose()
    with office.database.reading() as connection:
        count = connection.execute(select(func.count()).select_from(tables.reviews)).scalar_one()
    assert count == 0


async def test_tags_are_renamed_and_deleted_everywhere(
    office: Office, store: Store, reviewer: Reader
) -> None:
    ada = Customer(store)
    await ada.opens()
    await ada.talks("hello", "Hi!")
    await shown(office, ada)
    await reviewer.post(f"/sessions/{ada.session}/tag", tag="pricing")
    page = await reviewer.page("/tags")
    assert "1 session" in page
    tag = re.findall(r'action="/tags/(\d+)"', page)[0]
    colour = re.findall(r'name="colour" value="(#\w+)"', page)[3]
    await reviewer.post(f"/tags/{tag}", name="prices", colour=colour)
    assert "prices" in await reviewer.part(f"/?tag={tag}")
    await reviewer.post(f"/tags/{tag}/delete")
    assert "prices" not in await reviewer.page(f"/sessions/{ada.session}")


async def test_dead_letters_are_shown_and_tried_again(office: Office, store: Store) -> None:
    operator = reader_of(office, Role.OPERATOR)
    assert "Every text that was accepted got its answer." in await operator.page("/dead-letters")
    text = {"sid": "SM1", "customer": ADA, "business": BUSINESS, "body": "hello?", "media": 0}
    letter = DeadLetter.new("c" * 32, "the model slept", (f"1 01JSESSION {json.dumps(text)}",))
    await store.client.rpush(keys.DEAD_LETTERS, letter.write())
    page = await operator.page("/dead-letters")
    assert "hello?" in page
    assert "the model slept" in page
    [path] = re.findall(r'action="(/dead-letters/\w+/retry)"', page)
    answer = await operator.post(path)
    assert "session is over" in await operator.page(answer.headers["location"])
    await store.client.hset(keys.session("c" * 32), "id", "01JSESSION")
    answer = await operator.post(path)
    assert "in the inbox again" in await operator.page(answer.headers["location"])
    assert await store.client.llen(keys.lane_items("inbox", "c" * 32)) == 1
    answer = await operator.post(path)
    assert "faster" in await operator.page(answer.headers["location"])
    await operator.client.aclose()


async def test_people_are_added_changed_and_locked_out(office: Office) -> None:
    admin = reader_of(office, Role.ADMINISTRATOR)
    await admin.post("/people", name="grace", password=PASSWORD, role="reviewer")
    assert "grace" in await admin.page("/people")
    grace = office.signed_in("grace")
    number = next(p["id"] for p in office.accounts.people() if p["name"] == "grace")
    await admin.post(f"/people/{number}", disabled="1")
    async with httpx.AsyncClient(
        base_url=office.url, cookies=grace.cookies, trust_env=False
    ) as locked_out:
        assert (await locked_out.get("/")).status_code == 401
    assert (
        await admin.post("/people", name="x", password="short", role="viewer")
    ).status_code == 422
    assert (
        await admin.post("/people", name="x", password=PASSWORD, role="king")
    ).status_code == 422
    await admin.client.aclose()


async def test_a_token_is_shown_once_and_revoked(office: Office) -> None:
    admin = reader_of(office, Role.ADMINISTRATOR)
    page = await admin.changes("/tokens", name="export", role="viewer")
    [token] = re.findall(r"review_[\w-]{40,}", page)
    assert token not in await admin.page("/people")
    bearer = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=office.url, headers=bearer, trust_env=False) as program:
        assert (await program.get("/")).status_code == 200
        [revoke] = re.findall(r'action="(/tokens/\d+/revoke)"', await admin.page("/people"))
        await admin.post(revoke)
        assert (await program.get("/")).status_code == 401
    await admin.client.aclose()


async def test_the_numbers_have_figures_beside_the_plots(
    office: Office, store: Store, reviewer: Reader
) -> None:
    ada = Customer(store)
    await ada.opens()
    await ada.talks("hello", "Hi!")
    part = await ada.is_told("Still there?", await ada.texts("and?"))
    await ada.gets(part, "undelivered", "30034")
    await shown(office, ada)
    page = await reviewer.page("/numbers?days=7")
    data = json.loads(page.split('id="figures">')[1].split("</script>")[0])
    assert len(data["days"]) == 7
    texts = data["plots"][0]["series"][0]
    assert (texts["name"], texts["values"][-1]) == ("texts", 2)
    assert "our number is not registered for 10DLC (error 30034)" in page
    assert (await reviewer.get("/numbers?days=8")).status_code == 400


async def test_a_list_is_taken_along_and_that_is_on_record(
    office: Office, store: Store, reviewer: Reader
) -> None:
    ada = Customer(store)
    await ada.opens()
    await ada.talks("hello", "=HYPERLINK(1)")
    await shown(office, ada)
    answer = await reviewer.get("/sessions.csv?q=hello")
    assert answer.headers["content-disposition"] == 'attachment; filename="sessions.csv"'
    assert ada.session in answer.text
    assert ",=HYPERLINK" not in answer.text
    assert ADA not in answer.text
    [session] = (await reviewer.get("/sessions.json")).json()["sessions"]
    assert session["id"] == ada.session
    tracker = (await reviewer.get(f"/sessions/{ada.session}/tracker.json")).json()
    assert [e["event"] for e in tracker["events"]] == ["user", "action", "bot", "action"]
    whole = (await reviewer.get(f"/sessions/{ada.session}/session.json")).json()
    assert [item["body"] for item in whole["flow"] if item["type"] == "message"] == ada.bodies
    admin = reader_of(office, Role.ADMINISTRATOR)
    assert "took sessions along" in await admin.page("/audit")
    await admin.client.aclose()


async def test_a_number_is_shown_to_operators_and_that_is_on_record(
    office: Office, store: Store, reviewer: Reader
) -> None:
    ada = Customer(store)
    await ada.opens()
    await ada.talks("hello", "Hi!")
    await shown(office, ada)
    path = f"/sessions/{ada.session}/unmask"
    assert (await reviewer.post(path)).status_code == 403
    operator = reader_of(office, Role.OPERATOR)
    assert ADA in (await operator.post(path)).text
    assert ADA not in await operator.page(f"/sessions/{ada.session}")
    await operator.client.aclose()
    admin = reader_of(office, Role.ADMINISTRATOR)
    page = await admin.page("/audit")
    assert "saw a number" in page
    assert "a-operator" in page
    await admin.client.aclose()


async def test_a_session_is_saved_as_a_test_from_its_page(
    office: Office, store: Store, reviewer: Reader
) -> None:
    ada = Customer(store)
    await ada.opens()
    await ada.talks("hello", "Hi!")
    await shown(office, ada)
    said = await reviewer.changes(f"/sessions/{ada.session}/test", **{"as": "story"})
    assert said.startswith("Saved in tests/")
    assert (await reviewer.post(f"/sessions/{ada.session}/test", **{"as": "x"})).status_code == 422


async def test_a_customer_is_taken_along_and_deleted_only_by_who_is_sure(
    office: Office, store: Store, reviewer: Reader
) -> None:
    ada = Customer(store)
    await ada.opens()
    await ada.record("turn", {"texts": [], "events": [], "parts": []})
    await ada.texts("hello")
    await shown(office, ada)
    of_ada = f"/sessions/{ada.session}"
    assert (await reviewer.post(f"{of_ada}/customer/delete", sure="delete")).status_code == 403
    admin = reader_of(office, Role.ADMINISTRATOR)
    told = (await admin.post(f"{of_ada}/customer/export")).json()
    assert told["customer"] == ADA
    assert (await admin.post(f"{of_ada}/customer/delete")).status_code == 422
    assert (await admin.get(of_ada)).status_code == 200
    await admin.client.aclose()


async def test_settings_for_keeping_and_for_telling(office: Office) -> None:
    admin = reader_of(office, Role.ADMINISTRATOR)
    await admin.post("/settings/retention", days="90")
    assert 'value="90"' in await admin.page("/settings")
    assert (await admin.post("/settings/retention", days="soon")).status_code == 422
    given = {"url": "https://crm.example.com/sms", "event": ["session.opened", "session.ended"]}
    page = await admin.changes("/settings/webhooks", **given)
    assert re.search(r"whsec_[\w-]{40,}", page)
    page = await admin.page("/settings")
    assert "https://crm.example.com/sms" in page
    assert "whsec_" not in page
    [path] = re.findall(r'action="(/settings/webhooks/\d+/delete)"', page)
    await admin.post(path)
    assert "crm.example.com/sms</td>" not in await admin.page("/settings")
    await admin.client.aclose()
