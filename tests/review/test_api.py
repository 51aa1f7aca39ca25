"""The API does what its document says, whatever it is given; and it tells what there is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.routing import Route

from connectors.store import Store
from local.ports import free_port
from review.access import Role
from review.api import operations
from review.operations import PREFIX
from review.prices import Prices
from review.projection import Projection
from review.taker import Taker
from tests.review.office import Office, open_office
from tests.review.said import BEN, BUSINESS, Customer
from tests.valkey import Valkey

pytestmark = pytest.mark.integration

EXAMPLES = 6


@pytest.fixture(scope="module")
def lasting_office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """With a Valkey of its own: on the others' it would take their records."""
    folder: Path = tmp_path_factory.mktemp("api")
    valkey = Valkey(free_port(), folder)
    valkey.start()
    with open_office(f"sqlite:///{folder / 'session_log.db'}", valkey.url, folder) as office:
        yield office
    valkey.stop()


@pytest.fixture(scope="module")
def document(lasting_office: Office) -> Any:
    program = lasting_office.program(Role.ADMINISTRATOR)
    url = f"{lasting_office.url}{PREFIX}/openapi.json"
    token = program.headers["authorization"]
    return schemathesis.openapi.from_url(url, headers={"authorization": token})


@pytest.fixture
def token(lasting_office: Office) -> str:
    """A fresh one for each operation: revoking some at random hits one's own."""
    return lasting_office.tokens.make("schemathesis", Role.ADMINISTRATOR, "test")


schema = schemathesis.pytest.from_fixture("document")


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_the_document_is_true(case: Any, token: str) -> None:
    checks = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_schema_conformance,
    ]
    case.call_and_validate(headers={"authorization": f"Bearer {token}"}, checks=checks)


def test_the_document_names_every_route_of_the_api(lasting_office: Office) -> None:
    program = lasting_office.program(Role.VIEWER)
    told = program.get(f"{PREFIX}/openapi.json").json()
    described = {(m.upper(), path) for path, of in told["paths"].items() for m in of}
    assert described == {(o.method, PREFIX + o.path) for o in operations()}
    routes = {
        (method, route.path.replace(":int", ""))
        for route in lasting_office.server.review_app.routes
        if isinstance(route, Route) and route.path.startswith("/api/")
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert routes == described


@pytest.fixture
async def ada(store: Store, each_office: Office) -> Customer:
    """A customer whose session is in SQL."""
    ada = Customer(store)
    await ada.opens()
    await ada.talks("Do you repair bikes?", "We do.")
    await ada.talks("Until when?", "Until six.")
    prices = Prices("USD", 0.01, 0.01, {})
    await Taker(store, each_office.database, Projection(prices)).once()
    return ada


def post(program: httpx.Client, path: str, **body: Any) -> Any:
    answer = program.post(PREFIX + path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def found(program: httpx.Client, **query: Any) -> list[str]:
    answer = program.get(f"{PREFIX}/sessions", params=query)
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["sessions"]]


def test_a_session_is_told_with_all_that_happened(each_office: Office, ada: Customer) -> None:
    program = each_office.program(Role.VIEWER)
    told = program.get(f"{PREFIX}/sessions/{ada.session}").json()
    said = [item for item in told["flow"] if item["type"] == "message"]
    assert [item["body"] for item in said] == ada.bodies
    assert said[0]["understood"]["intent"] == "nlu_fallback"
    answer = said[1]
    assert answer["turn"]["actions"][0]["name"] == "action_llm_reply"
    assert answer["turn"]["model"][0]["prompt_tokens"] == 100
    assert [step["status"] for step in answer["steps"]] == ["queued", "delivered"]
    assert told["session"]["customer"] == "+1***9999"
    assert ada.number not in program.get(f"{PREFIX}/sessions/{ada.session}").text


async def test_a_text_that_was_not_answered_is_shown_without_its_number(
    store: Store, each_office: Office, ada: Customer
) -> None:
    """As lua/accept.lua writes what is over a limit."""
    text = {"sid": "SM9", "customer": ada.number, "business": BUSINESS, "body": "again"}
    await ada.record("refused", {"who": "customer", "reason": "loop", "text": text})
    prices = Prices("USD", 0.01, 0.01, {})
    await Taker(store, each_office.database, Projection(prices)).once()
    program = each_office.program(Role.VIEWER)
    told = program.get(f"{PREFIX}/sessions/{ada.session}")
    assert told.json()["flow"][-1]["data"]["text"] == {"sid": "SM9", "body": "again"}
    for path in ("", "/session.json", "/tracker.json"):
        assert ada.number not in program.get(f"/sessions/{ada.session}{path}").text


def test_sessions_are_found_by_what_they_are(each_office: Office, ada: Customer) -> None:
    program = each_office.program(Role.VIEWER)
    assert found(program) == [ada.session]
    for query in (
        {"q": "REPAIR bikes"}, {"q": "six"}, {"state": "live"}, {"review": "unread"},
        {"number": BUSINESS}, {"ends": "9999"}, {"intent": "nlu_fallback"},
        {"action": "action_llm_reply"}, {"policy": "LlmPolicy"}, {"model": "small"},
        {"least": "0.9"}, {"most": "0.9"}, {"shortest": "2"}, {"longest": "2"},
        {"conversation": ada.conversation}, {"since": "2020-01-01"}, {"before": "00:00"},
        *({"sort": sort} for sort in ("opened", "messages", "cost", "slowest", "confidence")),
    ):  # fmt: skip
        assert found(program, **query) == [ada.session], query
    for query in (
        {"q": "repair elephants"}, {"q": "*"}, {"q": '"'}, {"state": "ended"}, {"state": "failed"},
        {"review": "reviewed"}, {"number": BEN}, {"ends": "1234"}, {"intent": "greet"},
        {"least": "0.95"}, {"most": "0.5"}, {"shortest": "3"}, {"longest": "1"}, {"tag": "1"},
        {"conversation": "b"}, {"until": "2020-01-01"}, {"flagged": "1"}, {"error": "30034"},
    ):  # fmt: skip
        assert found(program, **query) == [], query


def test_a_filter_that_cannot_be_meant_is_named(each_office: Office) -> None:
    program = each_office.program(Role.VIEWER)
    for query in ({"since": "yesterday"}, {"sort": "colour"}, {"most": "high"}, {"after": "25:00"},
                  {"ends": "+15550109999"}, {"page": "2"}, {"size": "0"}):  # fmt: skip
        answer = program.get(f"{PREFIX}/sessions", params=query)
        assert answer.status_code == 400, query
        assert next(iter(query)) in answer.json()["error"]


async def test_pages_show_each_session_once_in_both_directions(
    each_office: Office, store: Store
) -> None:
    for n in range(23):
        customer = Customer(store, conversation=f"{n:032x}")
        await customer.opens()
        await customer.talks("Hello", "Hi")
    await Taker(store, each_office.database, Projection(Prices("USD", 0.01, 0.01, {}))).once()
    program = each_office.program(Role.VIEWER)
    for sort in ("last", "opened", "messages", "confidence"):
        seen: list[str] = []
        pages: list[list[str]] = []
        cursor = ""
        while True:
            query = {"size": 5, "sort": sort, "page": cursor}
            told = program.get(f"{PREFIX}/sessions", params=query).json()
            pages.append([row["id"] for row in told["sessions"]])
            seen += pages[-1]
            if not told["older"]:
                break
            cursor = told["older"]
        assert len(seen) == len(set(seen)) == 23, sort
        back = {"size": 5, "sort": sort, "page": told["newer"]}
        assert found(program, **back) == pages[-2], sort


def test_a_session_is_judged_and_every_judgement_can_be_taken_back(
    each_office: Office, ada: Customer
) -> None:
    program, at = each_office.program(Role.REVIEWER), f"/sessions/{ada.session}"
    post(program, f"{at}/review", status="reviewed")
    post(program, f"{at}/review", status="saved")
    assert found(program, review="saved") == [ada.session]
    assert program.delete(f"{PREFIX}{at}/review").json() == {"status": "reviewed"}
    assert found(program, review="reviewed") == [ada.session]
    assert program.delete(f"{PREFIX}{at}/review").json() == {"status": "unread"}
    assert program.delete(f"{PREFIX}{at}/review").status_code == 422

    flow = program.get(PREFIX + at).json()["flow"]
    message = next(item["id"] for item in flow if item["type"] == "message")
    flag = post(program, f"{at}/notes", kind="flag", message=message)["id"]
    post(program, f"{at}/notes", kind="intent", value="ask_opening", message=message)
    post(program, f"{at}/notes", kind="comment", value="Ask Ben")
    post(program, f"{at}/notes", kind="rating", value="2")
    post(program, f"{at}/notes", kind="rating", value="4")
    assert found(program, flagged="1") == [ada.session]
    told = program.get(PREFIX + at).json()
    assert told["session"]["rating"] == 4
    assert {note["value"] for note in told["notes"]} == {"Ask Ben", "4"}
    noted = next(item for item in told["flow"] if item.get("id") == message)
    assert {note["kind"] for note in noted["notes"]} == {"flag", "intent"}
    assert program.delete(f"{PREFIX}{at}/notes/{flag}").status_code == 200
    assert program.delete(f"{PREFIX}{at}/notes/{flag}").status_code == 404
    assert found(program, flagged="1") == []


def test_tags_are_made_found_renamed_and_deleted(each_office: Office, ada: Customer) -> None:
    program, at = each_office.program(Role.REVIEWER), f"/sessions/{ada.session}"
    tag = post(program, f"{at}/tags", name="new skill")["id"]
    assert post(program, f"{at}/tags", name="new skill")["id"] == tag
    assert found(program, tag=tag) == [ada.session]
    (known,) = program.get(f"{PREFIX}/tags").json()["tags"]
    assert (known["name"], known["uses"]) == ("new skill", 1)
    change = {"name": "old skill", "colour": "#1565c0"}
    assert program.patch(f"{PREFIX}/tags/{tag}", json=change).status_code == 200
    told = program.get(f"{PREFIX}/sessions").json()["sessions"][0]["tags"]
    assert told == [{"id": tag, **change}]
    assert program.delete(f"{PREFIX}/tags/{tag}").status_code == 200
    assert found(program, tag=tag) == []


def test_many_sessions_at_once_or_none(each_office: Office, ada: Customer) -> None:
    program = each_office.program(Role.REVIEWER)
    some = {"sessions": [ada.session, "nonsense"], "do": "reviewed"}
    assert program.post(f"{PREFIX}/bulk", json=some).status_code == 404
    assert found(program, review="reviewed") == []
    assert post(program, "/bulk", sessions=[ada.session], do="tag", tag="seen") == {"changed": 1}
    assert found(program, tag="1") == [ada.session]


def test_a_number_in_full_is_for_operators_and_on_record(
    each_office: Office, ada: Customer
) -> None:
    path = f"{PREFIX}/sessions/{ada.session}/number"
    assert each_office.program(Role.REVIEWER).post(path).status_code == 403
    program = each_office.program(Role.OPERATOR)
    assert program.post(path).json()["customer"] == ada.number
    lines = each_office.program(Role.ADMINISTRATOR).get(f"{PREFIX}/audit").json()["audit"]
    seen = next(line for line in lines if line["what"] == "saw a number")
    assert (seen["who"], seen["session"]) == ("token a operator's", ada.session)


def test_figures_of_today_and_of_days_without_anything(each_office: Office, ada: Customer) -> None:
    told = each_office.program(Role.VIEWER).get(f"{PREFIX}/figures").json()
    assert len(told["days"]) == 30
    today = told["days"][-1]
    assert (today["texts"], today["replies"], today["delivered"]) == (2, 2, 2)
    assert today["p50_ms"] == pytest.approx(1500, rel=0.06)
    assert (told["total"]["delivery_rate"], told["days"][0]["delivery_rate"]) == (1.0, None)


def test_views_are_ones_own_unless_they_are_shared(each_office: Office) -> None:
    reviewer, viewer = each_office.program(Role.REVIEWER), each_office.program(Role.VIEWER)
    post(reviewer, "/views", name="mine", query="state=failed")
    post(reviewer, "/views", name="ours", query="?q=a%20b&nonsense=1&sort=last", shared=True)
    (shared,) = viewer.get(f"{PREFIX}/views").json()["views"]
    assert (shared["name"], shared["query"]) == ("ours", "q=a+b")
    assert viewer.delete(f"{PREFIX}/views/{shared['id']}").status_code == 422
    assert reviewer.delete(f"{PREFIX}/views/{shared['id']}").status_code == 200


def test_a_tracker_is_what_rasa_gives(each_office: Office, ada: Customer) -> None:
    told = each_office.program(Role.VIEWER).get(f"{PREFIX}/sessions/{ada.session}/tracker").json()
    assert told["sender_id"] == ada.conversation
    assert [e["event"] for e in told["events"]] == ["user", "action", "bot", "action"] * 2
