"""A customer is found by the whole number; sessions end when their assistant's do."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from connectors.assistant import Assistant
from connectors.assistants import Assistants
from connectors.store import Store
from review import listing, tables
from review.access import Role
from review.customers import whole_number
from review.database import Database
from review.errors import Unusable
from review.filters import Filter
from review.lengths import Lengths
from review.operations import PREFIX
from tests.review.office import Office
from tests.review.reading import reader_of
from tests.review.said import ADA, BEN, Customer
from tests.review.waiting import until_said


@pytest.mark.parametrize(
    "typed",
    [
        "+15550109999",
        "+1 (555) 010-9999",
        "555 010 9999",
        "(555) 010-9999",
        "1-555-010-9999",
        "555.010.9999",
        "001 555 010 9999",
        "tel:+1-555-010-9999",
        " +1\u00a0555\u2011010\u20119999 ",
    ],
)
def test_every_usual_way_of_writing_a_number_is_understood(typed: str) -> None:
    assert whole_number(typed) == ADA


def test_a_number_of_another_country_needs_its_code() -> None:
    assert whole_number("0049 171 1234567") == "+491711234567"


@pytest.mark.parametrize("typed", ["", "9999", "010-9999", "hello", "+1555010999x", "+0155501099"])
def test_what_is_no_whole_number_is_refused(typed: str) -> None:
    with pytest.raises(Unusable, match="whole phone number"):
        whole_number(typed)


@pytest.mark.integration
async def test_a_number_leads_to_its_sessions_and_stands_in_no_address(
    office: Office, store: Store
) -> None:
    ada, again, ben = Customer(store), Customer(store), Customer(store, BEN, "b" * 32)
    other_number = Customer(store, ADA, "c" * 32)
    customers = (ada, again, ben, other_number)
    for customer in customers:
        await customer.opens()
        await customer.talks("hello", "Hi!")
    await until_said(office.database, 8)
    operator = reader_of(office, Role.OPERATOR)
    found = await operator.post("/customers/find", number="(555) 010-9999")
    assert found.status_code == 303
    address = found.headers["location"]
    assert "9999" not in address
    page = await operator.page(address)
    assert [c.session in page for c in customers] == [True, True, False, True]
    assert ADA not in page
    nobody = await operator.post("/customers/find", number="+15550100000")
    assert (nobody.status_code, "No session of this number" in nobody.text) == (404, True)
    unclear = await operator.post("/customers/find", number="9999")
    assert (unclear.status_code, "no whole phone number" in unclear.text) == (422, True)
    admin = reader_of(office, Role.ADMINISTRATOR)
    audit = await admin.page("/audit")
    assert "+1***9999: 2 found" in audit
    assert ADA not in audit
    reviewer = reader_of(office, Role.REVIEWER)
    assert (await reviewer.post("/customers/find", number=ADA)).status_code == 403
    assert "Find a number" not in await reviewer.page("/")
    told = office.program(Role.OPERATOR).post(f"{PREFIX}/customers/find", json={"number": ADA})
    assert set(told.json()["conversation"].split(",")) == {"a" * 32, "c" * 32}
    for reader in (operator, admin, reviewer):
        await reader.client.aclose()


HOUR = 3_600_000
SHOP = Assistant(id="shop", name="Shop", prompt="You are a shop.")
LENGTHS = Lengths.of_assistants(
    Assistants.of([SHOP, replace(SHOP, id="short", session_seconds=3600)]), 24 * 3600
)


@pytest.mark.integration
def test_a_session_lasts_as_long_as_its_assistant_says(database: Database) -> None:
    now = int(time.time() * 1000)
    with database.writing() as connection:
        for n, (assistant, ago) in enumerate(
            [("shop", 2 * HOUR), ("short", 2 * HOUR), ("short", HOUR // 2), ("", 25 * HOUR)], 1
        ):
            connection.execute(
                tables.sessions.insert().values(
                    n=n, id=f"S{n}", conversation=f"c{n}", assistant=assistant,
                    opened_ms=now - ago, last_ms=now - ago,
                )
            )  # fmt: skip
    with database.reading() as connection:
        found = {
            state: {row["id"]: row["state"] for row in rows_of(connection, state)}
            for state in ("live", "ended")
        }
    assert found["live"] == {"S1": "live", "S3": "live"}
    assert found["ended"] == {"S2": "ended", "S4": "ended"}


def rows_of(connection: Any, state: str) -> list[dict[str, object]]:
    return list(listing.page(connection, Filter(state=state), lengths=LENGTHS).rows)
