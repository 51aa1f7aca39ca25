"""What was refused, and why, has a place where an operator sees it: most of it has no session."""

from __future__ import annotations

import asyncio
from html import unescape

import async_timeout
import pytest
from sqlalchemy import func, select

from connectors.house_rules import SAME_PER_MINUTE, UNATTACHED, HouseRules
from connectors.inbox import Inbox, Outcome
from connectors.ledger import Ledger
from connectors.session_log import REFUSED
from connectors.settings import Limits
from connectors.store import Store
from connectors.wire import InboundText
from review import tables
from review.access import Role
from review.operations import PREFIX
from tests.review.office import WAIT_S, Office
from tests.review.said import BUSINESS, Customer

pytestmark = pytest.mark.integration

OUT, MACHINE, STRANGER = "+15550107771", "+15550107772", "+15550107773"


async def refused(office: Office, count: int) -> None:
    query = select(func.count()).where(tables.records.c.kind == REFUSED)
    async with async_timeout.timeout(WAIT_S):
        while True:
            with office.database.reading() as connection:
                if connection.execute(query).scalar_one() >= count:
                    return
            await asyncio.sleep(0.02)


async def turn_them_away(store: Store) -> int:
    """Everybody who gets no answer; how many texts that were."""
    rules = HouseRules(ours=lambda: (BUSINESS,), limits=Limits(30, 500, 0))
    inbox = Inbox(store, settle_ms=0, session_seconds=lambda number: 86_400, rules=rules)
    ledger = Ledger(store, list)
    await ledger.make_whole()
    await ledger.opt_out(BUSINESS, OUT, "keyword")
    sids = iter(range(900, 999))

    async def texts(number: str, body: str, refuse: str = "") -> Outcome:
        text = InboundText(f"SM{next(sids):032x}", number, BUSINESS, body)
        return await inbox.accept(text, refuse=refuse)

    assert await texts(OUT, "are you <b>there</b>?") is Outcome.REFUSED
    assert await texts("72345", "WIN A PRIZE") is Outcome.REFUSED
    assert await texts(BUSINESS, "echo") is Outcome.REFUSED
    assert await texts(STRANGER, "hello", UNATTACHED) is Outcome.REFUSED
    machine = [await texts(MACHINE, "I am a machine") for _ in range(SAME_PER_MINUTE + 2)]
    assert machine[-2:] == [Outcome.REFUSED, Outcome.REFUSED]
    return 6


async def test_an_operator_sees_who_got_no_answer_and_why(office: Office, store: Store) -> None:
    count = await turn_them_away(store)
    ada = Customer(store)
    await ada.opens()
    told = {"route": "operator", "who": "grace", "reason": "no_session", "do": "wait", "body": "Hi"}
    await ada.record(REFUSED, told)
    await refused(office, count + 1)
    operator = office.somebody(Role.OPERATOR)
    page = unescape(operator.get("/refused").text)
    for words in (
        *("opted out", "a short code or a name", "one of our own numbers"),
        *("nobody answers at this number", "the same words again and again"),
        *("unless the customer texts START", "WIN A PRIZE", "+1***7771", "+1***7773"),
        *(f"/sessions/{ada.session}", "operator, by grace", "no session is live"),
    ):
        assert words in page, words
    assert not [number for number in (OUT, MACHINE, STRANGER) if number in page]
    assert "<b>there</b>" not in operator.get("/refused").text
    only = operator.get("/refused?reason=loop").text
    assert only.count("I am a machine") == 2
    assert "WIN A PRIZE" not in only
    assert "again <span" in only.replace("again and again <span", "again <span")
    assert 'class="num">2</span>' in only
    assert operator.get("/refused?page=nonsense").status_code == 400
    assert office.somebody(Role.REVIEWER).get("/refused").status_code == 403


async def test_the_api_and_the_figures_have_them_too(office: Office, store: Store) -> None:
    count = await turn_them_away(store)
    await refused(office, count)
    program = office.program(Role.OPERATOR)
    told = program.get(f"{PREFIX}/refused", params={"reason": "unattached"}).json()
    [line] = told["refused"]
    assert (line["body"], line["business"], line["customer"]) == ("hello", BUSINESS, "+1***7773")
    assert line["do"].startswith("list the number")
    assert told["older"] == ""
    total = program.get(f"{PREFIX}/figures").json()["total"]
    assert total["refused"] == count
    assert office.program(Role.REVIEWER).get(f"{PREFIX}/refused").status_code == 403


async def test_pages_of_them(office: Office, store: Store) -> None:
    ada = Customer(store)
    for n in range(130):
        told = {"route": "text", "who": "customer", "reason": "too_many", "do": "", "body": f"n{n}"}
        await ada.record(REFUSED, told, session="")
    await refused(office, 130)
    program = office.program(Role.OPERATOR)
    first = program.get(f"{PREFIX}/refused").json()
    second = program.get(f"{PREFIX}/refused", params={"page": first["older"]}).json()
    bodies = [line["body"] for page in (first, second) for line in page["refused"]]
    assert bodies == [f"n{n}" for n in reversed(range(130))]
    assert second["older"] == ""
