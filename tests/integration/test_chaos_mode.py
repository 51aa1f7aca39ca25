"""The pretend Twilio in chaos mode: what it breaks, what it keeps, and that it can be repeated."""

from __future__ import annotations

import itertools
import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from local.ports import free_port
from local.pretend_twilio.chaos import Chaos
from local.pretend_twilio.troubles import (
    ANSWERS,
    LOOKUP_ANSWERS,
    read_odds,
    read_posting_odds,
    read_script,
)
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

pytestmark = pytest.mark.integration

FRIEND = "+15550108888"
GIVES_UP_S = 0.5
LATE_MS = 300
HELD = {"reorder": 1, "hold_ms": 10_000}


class Rehearsal:
    """Whoever scripts the trouble, texts as a customer, and reads what came of it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def post(self, path: str, told: dict[str, Any]) -> dict[str, Any]:
        response = httpx.post(self.url + path, json=told, timeout=30)
        assert response.status_code in (200, 201), response.text
        reply: dict[str, Any] = response.json()
        return reply

    def script(self, **troubles: list[Any]) -> dict[str, Any]:
        return self.post("/chaos/script", troubles)

    def set(self, **odds: Any) -> dict[str, Any]:
        return self.post("/chaos/settings", odds)

    def load(self, texts: list[dict[str, str]], **how: Any) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.post("/chaos/load", {"texts": texts, **how})["texts"]
        return entries

    def text(self, body: str, sender: str = CUSTOMER) -> dict[str, Any]:
        return self.post("/phone/texts", text(body, sender))

    def texts(self, *bodies: str, sender: str = CUSTOMER) -> list[threading.Thread]:
        """One after another, without waiting for the business to answer."""
        threads = []
        for body in bodies:
            known = len(self.ledger()["texts"])
            threads.append(threading.Thread(target=self.text, args=(body, sender)))
            threads[-1].start()
            until(lambda known=known: len(self.ledger()["texts"]) > known)
        return threads

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = httpx.get(f"{self.url}/chaos").json()
        return state

    def ledger(self, **of: str) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = httpx.get(
            f"{self.url}/chaos/ledger", params=of
        ).json()
        return found

    def bubbles(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = httpx.get(f"{self.url}/phone/messages").json()["messages"]
        return found


def text(body: str, sender: str = CUSTOMER) -> dict[str, str]:
    return {"from": sender, "to": BUSINESS, "body": body}


def until(happens: Any) -> None:
    end = time.monotonic() + WAIT_S
    while not happens():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def client_of(url: str) -> Any:
    http = TwilioHttpClient(timeout=GIVES_UP_S)
    client = Client(ACCOUNT, TOKEN, environment={"_": ""}, http_client=http)
    client.api.base_url = url
    return client


def bodies(business: Business, how_many: int) -> list[str]:
    return [business.texts.get(timeout=WAIT_S).form["Body"] for _ in range(how_many)]


def states(business: Business, how_many: int) -> list[str]:
    return [business.reports.get(timeout=WAIT_S).form["MessageStatus"] for _ in range(how_many)]


@pytest.fixture
def business() -> Iterator[Business]:
    with open_business(Business()) as opened:
        yield opened


@pytest.fixture
def chaos(business: Business) -> Iterator[Rehearsal]:
    with open_twilio(pretend_config(business.url)) as url:
        yield Rehearsal(url)


@pytest.fixture
def twilio(chaos: Rehearsal) -> Any:
    return client_of(chaos.url)


@pytest.fixture(scope="module")
def door() -> Iterator[str]:
    """One pretend Twilio for all tests that it lets nothing in from: it stays calm."""
    with open_twilio(pretend_config(f"http://127.0.0.1:{free_port()}")) as opened:
        yield opened


def send(twilio: Any, body: str = "Hello", **more: object) -> Any:
    return twilio.messages.create(to=CUSTOMER, from_=BUSINESS, body=body, **more)


# ---- what the business sends


@pytest.mark.parametrize(
    ("trouble", "status", "code", "taken"),
    [("429", 429, 20429, 0), ("500", 500, 20500, 0), ("500 after", 500, 20500, 1)],
)
def test_an_error_is_told_once_and_says_nothing_of_what_was_taken(
    chaos: Rehearsal, twilio: Any, trouble: str, status: int, code: int, taken: int
) -> None:
    chaos.script(messages=[trouble])
    with pytest.raises(TwilioRestException) as refused:
        send(twilio, "first")
    assert (refused.value.status, refused.value.code) == (status, code)
    assert len(twilio.messages.list()) == taken
    assert send(twilio, "second").sid
    assert [m["body"] for m in chaos.ledger()["messages"]] == ["first", "second"][1 - taken :]


def test_too_many_requests_says_when_to_come_back(chaos: Rehearsal) -> None:
    chaos.script(messages=[{"429": 1, "retry_after_s": 7}])
    address = f"{chaos.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    form = {"To": CUSTOMER, "From": BUSINESS, "Body": "Hello"}
    refused = httpx.post(address, data=form, auth=(ACCOUNT, TOKEN))
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "7")


@pytest.mark.parametrize(("trouble", "taken"), [("hang", []), ("hang after", ["Hello"])])
def test_twilio_may_never_answer(
    chaos: Rehearsal, twilio: Any, trouble: str, taken: list[str]
) -> None:
    chaos.script(messages=[trouble])
    began = time.monotonic()
    with pytest.raises(OSError, match="timed out"):
        send(twilio)
    assert time.monotonic() - began >= GIVES_UP_S
    assert [m.body for m in twilio.messages.list()] == taken


@pytest.mark.parametrize(("trouble", "taken"), [("cut", []), ("cut after", ["Hello"])])
def test_the_connection_may_be_cut(
    chaos: Rehearsal, twilio: Any, trouble: str, taken: list[str]
) -> None:
    chaos.script(messages=[trouble])
    with pytest.raises(OSError, match="Connection aborted"):
        send(twilio)
    assert [m.body for m in twilio.messages.list()] == taken


def test_a_cut_connection_had_not_one_byte_of_an_answer(
    chaos: Rehearsal, capfd: pytest.CaptureFixture[str]
) -> None:
    chaos.script(messages=["cut after"])
    address = f"{chaos.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    form = {"To": CUSTOMER, "From": BUSINESS, "Body": "Hello"}
    with (
        httpx.Client() as client,
        pytest.raises(httpx.RemoteProtocolError, match="without sending a response"),
    ):
        client.post(address, data=form, auth=(ACCOUNT, TOKEN))
    assert chaos.state()["counts"]["messages"] == {"asked": 1, "cut after": 1}
    assert capfd.readouterr().err == ""


def test_a_message_may_be_taken_when_its_sender_has_given_up(chaos: Rehearsal, twilio: Any) -> None:
    chaos.script(messages=[{"latency_ms": int(3000 * GIVES_UP_S)}])
    with pytest.raises(OSError, match="timed out"):
        send(twilio)
    assert twilio.messages.list() == []
    until(lambda: [m.body for m in twilio.messages.list()] == ["Hello"])


@pytest.mark.parametrize("trouble", LOOKUP_ANSWERS)
def test_a_question_may_meet_trouble(chaos: Rehearsal, twilio: Any, trouble: str) -> None:
    sid = send(twilio).sid
    chaos.script(lookups=[trouble, "ok", trouble])
    with pytest.raises((TwilioException, requests.RequestException)):
        twilio.messages.list(to=CUSTOMER)
    assert [message.sid for message in twilio.messages.list(to=CUSTOMER)] == [sid]
    with pytest.raises((TwilioException, requests.RequestException)):
        twilio.messages(sid).fetch()
    assert twilio.messages(sid).fetch().sid == sid
    assert chaos.state()["counts"]["lookups"] == {"asked": 4, trouble: 2}


def test_what_twilio_would_refuse_is_refused_in_any_trouble(chaos: Rehearsal, twilio: Any) -> None:
    chaos.script(messages=["cut after"])
    with pytest.raises(TwilioRestException) as refused:
        send(twilio, "")
    assert refused.value.code == 21602
    assert chaos.ledger()["messages"] == []


def test_the_server_ends_although_somebody_waits_for_an_answer(
    business: Business, capfd: pytest.CaptureFixture[str]
) -> None:
    with open_twilio(pretend_config(business.url)) as url:
        Rehearsal(url).script(messages=["hang"])
        ended: queue.Queue[BaseException] = queue.Queue()

        def wait() -> None:
            with pytest.raises(httpx.RemoteProtocolError) as cut:
                httpx.post(
                    f"{url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json",
                    auth=(ACCOUNT, TOKEN),
                    timeout=WAIT_S,
                )
            ended.put(cut.value)

        waiting = threading.Thread(target=wait)
        waiting.start()
        until(lambda: Rehearsal(url).state()["counts"]["messages"])
    waiting.join()
    assert ended.qsize() == 1
    assert capfd.readouterr().err == ""  # nor did the server have to be forced


# ---- what the customers text


def test_a_text_is_posted_several_times_at_once(business: Business, chaos: Rehearsal) -> None:
    business.open.clear()
    chaos.script(webhooks=[{"duplicate": 1, "copies": 3}])
    [thread] = chaos.texts("Hello?")
    posts = [business.texts.get(timeout=WAIT_S) for _ in range(3)]  # none waits for an answer
    assert len({post.form["MessageSid"] for post in posts}) == 1
    assert len({post.headers["i-twilio-idempotency-token"] for post in posts}) == 3
    signatures = [post.headers["x-twilio-signature"] for post in posts]
    assert RequestValidator(TOKEN).validate(posts[2].url, posts[2].form, signatures[2])
    business.open.set()
    thread.join()
    [entry] = chaos.ledger()["texts"]
    assert [post["status"] for post in entry["posts"]] == [204, 204, 204]
    assert entry["trouble"] == ["posted 3 times at once"]


def test_or_one_after_another(business: Business, chaos: Rehearsal) -> None:
    chaos.script(webhooks=[{"duplicate": 1, "together": 0}])
    business.open.clear()
    [thread] = chaos.texts("Hello?")
    business.texts.get(timeout=WAIT_S)
    with pytest.raises(queue.Empty):
        business.texts.get(timeout=0.2)
    business.open.set()
    business.texts.get(timeout=WAIT_S)
    thread.join()


def test_one_taken_copy_is_enough(business: Business, chaos: Rehearsal) -> None:
    answers = iter((503, 204))

    def answer(_: Post) -> None:
        business.status = next(answers)

    business.on_text = answer
    chaos.script(webhooks=[{"duplicate": 1, "together": 0}])
    assert chaos.text("Hello?")["answer"]["status"] == 204
    [entry] = chaos.ledger()["texts"]
    assert [post["status"] for post in entry["posts"]] == [503, 204]
    assert entry["taken"] is True


def test_a_late_text_is_late_by_no_less_and_no_more(chaos: Rehearsal) -> None:
    chaos.script(webhooks=[{"delay_ms": [LATE_MS, LATE_MS + 50]}])
    chaos.text("Hello?")
    [entry] = chaos.ledger()["texts"]
    created, posted = (
        datetime.fromisoformat(at) for at in (entry["created"], entry["posts"][0]["at"])
    )
    assert LATE_MS <= (posted - created).total_seconds() * 1000 + 1 < LATE_MS + 2000


def test_a_text_can_be_overtaken(business: Business, chaos: Rehearsal) -> None:
    chaos.script(webhooks=[HELD, HELD, "ok"])
    threads = chaos.texts("one", "two")
    chaos.text("from a friend, who overtakes nobody", FRIEND)
    assert bodies(business, 1) == ["from a friend, who overtakes nobody"]
    assert business.texts.empty()
    threads += chaos.texts("three")
    assert bodies(business, 3) == ["three", "two", "one"]
    for thread in threads:
        thread.join()


def test_a_text_that_nobody_overtakes_goes_after_a_while(
    business: Business, chaos: Rehearsal
) -> None:
    chaos.script(webhooks=[{"reorder": 1, "hold_ms": LATE_MS}])
    began = time.monotonic()
    chaos.text("Hello?")
    assert bodies(business, 1) == ["Hello?"]
    assert LATE_MS / 1000 <= time.monotonic() - began < 2  # seconds, unless told otherwise
    assert chaos.text("And now?")["answer"]["taken"] is True


def test_a_lost_text_is_known_to_twilio_alone(
    business: Business, chaos: Rehearsal, twilio: Any
) -> None:
    chaos.script(webhooks=["lost"])
    assert chaos.text("Hello?")["answer"]["taken"] is False
    assert business.texts.empty()
    assert [m.direction for m in twilio.messages.list(to=BUSINESS)] == ["inbound"]
    assert chaos.ledger()["texts"][0]["posts"] == []


# ---- delivery reports


def callback(business: Business) -> str:
    return f"{business.url}/status"


def test_reports_can_come_backwards(business: Business, chaos: Rehearsal, twilio: Any) -> None:
    chaos.script(callbacks=[HELD, HELD])
    send(twilio, status_callback=callback(business))
    assert states(business, 3) == ["delivered", "sent", "sending"]


def test_reports_can_be_repeated(business: Business, chaos: Rehearsal, twilio: Any) -> None:
    chaos.script(callbacks=["ok", {"duplicate": 1, "copies": 3}])
    send(twilio, status_callback=callback(business))
    assert Counter(states(business, 5)) == {"sending": 1, "sent": 3, "delivered": 1}


def test_a_lost_report_holds_up_no_other(business: Business, chaos: Rehearsal, twilio: Any) -> None:
    chaos.script(callbacks=["ok", "lost"])
    send(twilio, status_callback=callback(business))
    assert states(business, 2) == ["sending", "delivered"]
    [message] = chaos.ledger()["messages"]
    assert [report["of"] for report in message["reports"]] == ["sending", "delivered"]
    assert message["trouble"] == ["report of “sent” never posted"]


def test_a_late_report_holds_up_no_other(business: Business, chaos: Rehearsal, twilio: Any) -> None:
    chaos.script(callbacks=[{"delay_ms": 3 * LATE_MS}])
    send(twilio, status_callback=callback(business))
    assert states(business, 3) == ["sent", "delivered", "sending"]
    assert twilio.messages.list()[0].status == "delivered"


# ---- scripts, odds and seeds


def test_a_script_comes_before_the_odds(chaos: Rehearsal, twilio: Any) -> None:
    chaos.set(messages={"500": 1})
    chaos.script(messages=["ok"])
    left = chaos.script(messages=["429"])["script"]["messages"]
    assert len(left) == 2
    assert send(twilio).sid
    seen = []
    for _ in range(2):
        with pytest.raises(TwilioRestException) as refused:
            send(twilio)
        seen.append(refused.value.status)
    assert seen == [429, 500]
    state = chaos.state()
    assert state["script"]["messages"] == []
    assert state["counts"]["messages"] == {"asked": 3, "429": 1, "500": 1}


def test_calm_is_calm(chaos: Rehearsal, twilio: Any) -> None:
    chaos.set(seed=7, messages={"500": 1}, webhooks={"lost": 1})
    chaos.script(messages=["429"] * 3)
    assert chaos.state()["active"] is True
    calm = httpx.delete(f"{chaos.url}/chaos").json()
    assert calm["active"] is False
    assert send(twilio).sid
    assert chaos.text("Hello?")["answer"]["taken"] is True
    assert chaos.state()["counts"] == {
        "messages": {"asked": 1},
        "lookups": {},
        "webhooks": {"asked": 1},
        "callbacks": {},
    }


def test_the_same_seed_brings_the_same_trouble(chaos: Rehearsal, twilio: Any) -> None:
    odds = {"429": 0.3, "500": 0.2, "500 after": 0.2}

    def fates(seed: int) -> list[int]:
        chaos.set(seed=seed, messages=odds)
        seen = []
        for _ in range(12):
            try:
                send(twilio)
                seen.append(201)
            except TwilioRestException as refused:
                seen.append(refused.status)
        return seen

    first = fates(7)
    assert fates(7) == first
    assert fates(8) != first
    assert set(first) == {201, 429, 500}


def test_a_seed_that_was_made_up_is_told(chaos: Rehearsal) -> None:
    seed = chaos.set(webhooks={"lost": 0.5})["seed"]
    first = [chaos.text("Hello?")["answer"]["taken"] for _ in range(12)]
    chaos.set(seed=seed, webhooks={"lost": 0.5})
    assert [chaos.text("Hello?")["answer"]["taken"] for _ in range(12)] == first
    assert chaos.set(webhooks={"lost": 0.5})["seed"] != seed


def test_odds_come_true_as_often_as_they_say() -> None:
    chaos = Chaos()
    odds = {
        "messages": {"429": 0.1, "cut after": 0.2},
        "webhooks": {"duplicate": 0.3, "copies": [2, 4], "reorder": 0.5, "delay_ms": [10, 20]},
        "callbacks": {"lost": 0.25},
    }
    chaos.begin(read_odds(odds), seed=7)
    answers = Counter(chaos.next_answer().do for _ in range(4000))
    assert answers["429"] == pytest.approx(400, abs=80)
    assert answers["cut after"] == pytest.approx(800, abs=120)
    assert answers[""] == pytest.approx(2800, abs=150)
    webhooks = [chaos.next_webhook() for _ in range(4000)]
    copies = Counter(len(webhook.delays_ms) for webhook in webhooks)
    assert copies[1] == pytest.approx(2800, abs=150)
    assert {2, 3, 4} < set(copies) == {1, 2, 3, 4}
    delays = {delay for webhook in webhooks for delay in webhook.delays_ms}
    assert delays == set(range(10, 21))
    assert sum(w.held_ms > 0 for w in webhooks) == pytest.approx(2000, abs=150)
    lost = sum(not chaos.next_callback().delays_ms for _ in range(4000))
    assert lost == pytest.approx(1000, abs=120)


@given(st.integers(), st.lists(st.sampled_from(["message", "webhook", "callback", "script"])))
def test_kinds_do_not_disturb_each_others_luck(seed: int, asked: list[str]) -> None:
    odds = read_odds(
        {"messages": {"500": 0.5}, "webhooks": {"duplicate": 0.5}, "callbacks": {"late": 0.5}}
    )
    mixed, alone = Chaos(), Chaos()
    mixed.begin(odds, seed)
    alone.begin(odds, seed)
    for what in asked:
        if what == "script":
            mixed.add(read_script({"webhooks": [{"delay_ms": [0, 9]}]}))
            mixed.next_webhook()
        elif what == "webhook":
            assert mixed.next_webhook() == alone.next_webhook()
        else:
            _ = mixed.next_answer() if what == "message" else mixed.next_callback()


def test_kinds_share_no_luck() -> None:
    chaos = Chaos()
    chaos.begin(read_odds({"webhooks": {"lost": 0.5}, "callbacks": {"lost": 0.5}}), seed=7)
    texts = [chaos.next_webhook() for _ in range(20)]
    assert [chaos.next_callback() for _ in range(20)] != texts


def test_one_odd_changed_leaves_the_luck_of_the_others() -> None:
    def reordered(**odds: float) -> list[bool]:
        drawn = read_posting_odds({"reorder": 0.5, **odds})
        return [drawn.draw(random.Random(seed)).held_ms > 0 for seed in range(50)]

    assert reordered() == reordered(duplicate=1, late=1)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("script", {"messages": "429"}),
        ("script", {"messages": ["430"]}),
        ("script", {"webhooks": ["500 after"]}),
        ("script", {"lookups": ["500 after"]}),
        ("script", {"texts": ["429"]}),
        ("script", {"callbacks": [7]}),
        ("settings", {"messages": {"429": 1.1}}),
        ("settings", {"messages": {"429": "often"}}),
        ("settings", {"messages": {"429": 0.6, "500": 0.6}}),
        ("settings", {"webhooks": {"delay_ms": [200, 100]}}),
        ("settings", {"webhooks": {"delay_ms": [1, 2, 3]}}),
        ("settings", {"webhooks": {"copies": 0}}),
        ("settings", {"webhooks": {"delay_ms": -1}}),
        ("settings", {"seed": "seven"}),
        ("settings", {"chaos": {}}),
        ("switches", {"everything": True}),
        ("switches", {"slow": 1}),
        ("load", {"texts": []}),
        ("load", {"texts": [{"from": CUSTOMER, "to": CUSTOMER, "body": "Hello"}]}),
        ("load", {"texts": [text("Hello")], "copies": 0}),
        ("load", {"texts": [text("Hello")], "copy": 3}),
        ("load", {"texts": [text("Hello")], "in_order": "yes"}),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    door: str, path: str, told: dict[str, object]
) -> None:
    refused = httpx.post(f"{door}/chaos/{path}", json=told)
    assert refused.status_code == 400
    assert refused.json()["error"]
    assert Rehearsal(door).state()["active"] is False
    assert Rehearsal(door).ledger() == {"texts": [], "messages": []}


@pytest.mark.parametrize("path", ["script", "settings", "switches", "load"])
def test_a_strangers_page_makes_no_trouble(door: str, path: str) -> None:
    address = f"{door}/chaos/{path}"
    plain = httpx.post(address, content="{}", headers={"Content-Type": "text/plain"})
    assert plain.status_code == 415
    rebound = httpx.post(address, json={}, headers={"Host": "rebound.example:8010"})
    assert rebound.status_code == 403
    assert httpx.get(f"{door}/chaos/ledger", headers={"Host": "rebound.example"}).status_code == 403
    assert "access-control-allow-origin" not in httpx.options(address).headers


def test_every_trouble_is_explained() -> None:
    import local.pretend_twilio

    explained = local.pretend_twilio.__doc__ or ""
    words = [*ANSWERS, *read_posting_odds({}).as_json(), *Chaos().as_json()["switches"]]  # type: ignore[misc]
    assert [w for w in words if f'"{w}"' not in explained and f"`{w}`" not in explained] == []


# ---- switches


@pytest.mark.parametrize("switch", ["duplicates", "slow", "errors", "reports"])
def test_a_switch_makes_trouble_and_ends_it(chaos: Rehearsal, switch: str) -> None:
    on = chaos.post("/chaos/switches", {switch: True})
    assert [name for name, is_on in on["switches"].items() if is_on] == [switch]
    assert on["active"] is True
    off = chaos.post("/chaos/switches", {switch: False})
    assert off["active"] is False
    assert not any(off["switches"].values())


def test_switches_leave_each_other_alone(chaos: Rehearsal) -> None:
    for switch in ("duplicates", "slow", "errors", "reports"):
        chaos.post("/chaos/switches", {switch: True})
    state = chaos.post("/chaos/switches", {"slow": False})
    assert state["switches"] == {
        "duplicates": True,
        "slow": False,
        "errors": True,
        "reports": True,
    }


def test_trouble_is_written_on_the_bubble(
    business: Business, chaos: Rehearsal, twilio: Any
) -> None:
    chaos.script(webhooks=[{"duplicate": 1, "delay_ms": 20}], messages=["500 after"])
    chaos.text("Hello?")
    with pytest.raises(TwilioRestException):
        send(twilio, "Good morning")
    chaos.text("Thank you")
    troubles = {bubble["body"]: bubble["trouble"] for bubble in chaos.bubbles()}
    assert troubles == {
        "Hello?": ["posted 2 times at once", "20 ms late"],
        "Good morning": ["answered with 500"],
        "Thank you": [],
    }


# ---- many at once, and the ledger


def test_a_thousand_texts_three_times_each(business: Business, chaos: Rehearsal) -> None:
    customers = [f"+1555020{n:04}" for n in range(100)]
    texts = [text(f"text {n}", customers[n % 100]) for n in range(1000)]
    began = time.monotonic()
    entries = chaos.load(texts, copies=3, concurrency=50)
    took = time.monotonic() - began
    assert [entry["body"] for entry in entries] == [f"text {n}" for n in range(1000)]
    assert all([p["status"] for p in entry["posts"]] == [204] * 3 for entry in entries)
    sids = Counter(business.texts.get_nowait().form["MessageSid"] for _ in range(3000))
    assert business.texts.empty()
    assert sids == dict.fromkeys((entry["sid"] for entry in entries), 3)
    began = time.monotonic()
    ledger = chaos.ledger()
    assert time.monotonic() - began < 2
    assert {entry["sid"]: entry for entry in ledger["texts"]} == {e["sid"]: e for e in entries}
    assert took < 40, "a proof would take for ever"


def test_no_more_at_a_time_than_was_asked_for(business: Business, chaos: Rehearsal) -> None:
    business.open.clear()
    loading = threading.Thread(
        target=chaos.load, args=([text(str(n)) for n in range(9)],), kwargs={"concurrency": 4}
    )
    loading.start()
    bodies(business, 4)
    with pytest.raises(queue.Empty):
        business.texts.get(timeout=0.2)
    business.open.set()
    bodies(business, 5)
    loading.join()


def test_a_customers_texts_can_be_kept_in_order(business: Business, chaos: Rehearsal) -> None:
    told = [text(str(n), sender) for n, sender in itertools.product(range(20), (CUSTOMER, FRIEND))]
    chaos.set(seed=7, webhooks={"delay_ms": [0, 20]})
    chaos.load(told, in_order=True)
    posts = [business.texts.get_nowait().form for _ in told]
    for customer in (CUSTOMER, FRIEND):
        assert [p["Body"] for p in posts if p["From"] == customer] == [str(n) for n in range(20)]


def test_without_being_asked_twilio_posts_nothing_again(
    business: Business, chaos: Rehearsal
) -> None:
    business.status = 503
    [entry] = chaos.load([text("Hello?")])
    assert (entry["taken"], [p["status"] for p in entry["posts"]]) == (False, [503])


def test_a_business_that_was_away_is_asked_again() -> None:
    port = free_port()
    with open_twilio(pretend_config(f"http://127.0.0.1:{port}")) as url:
        chaos = Rehearsal(url)
        loaded: list[dict[str, Any]] = []
        loading = threading.Thread(
            target=lambda: loaded.extend(chaos.load([text("Hello?")], retry_for_s=WAIT_S))
        )
        loading.start()
        until(lambda: any(p["code"] for t in chaos.ledger()["texts"] for p in t["posts"]))
        with open_business(Business(status=503), port) as business:
            assert bodies(business, 1) == ["Hello?"]
            business.status = 204
            loading.join()
    [entry] = loaded
    statuses = [post["status"] for post in entry["posts"]]
    assert statuses[0] is None
    assert statuses[-2:] == [503, 204]
    assert entry["taken"] is True


def test_a_text_that_the_business_will_never_take_is_not_tried_again(
    business: Business, chaos: Rehearsal
) -> None:
    business.status = 403
    [entry] = chaos.load([text("Hello?")], retry_for_s=WAIT_S)
    assert [post["status"] for post in entry["posts"]] == [403]


def test_the_ledger_has_both_directions_and_can_be_narrowed(
    business: Business, chaos: Rehearsal, twilio: Any
) -> None:
    chaos.text("Hello?")
    chaos.text("Good evening", FRIEND)
    chaos.text("HELP")  # Twilio's own answer to it was sent by no business
    send(twilio, "Good morning", status_callback=callback(business))
    states(business, 3)
    until(lambda: all(r["answered"] for r in chaos.ledger()["messages"][0]["reports"]))
    ledger = chaos.ledger(customer=CUSTOMER)
    assert [t["body"] for t in ledger["texts"]] == ["Hello?", "HELP"]
    [message] = ledger["messages"]
    assert (message["from"], message["to"]) == (BUSINESS, CUSTOMER)
    assert (message["body"], message["status"]) == ("Good morning", "delivered")
    assert [(r["of"], r["status"]) for r in message["reports"]] == [
        ("sending", 204),
        ("sent", 204),
        ("delivered", 204),
    ]
    assert chaos.ledger(number=SECOND_BUSINESS) == {"texts": [], "messages": []}
    assert len(chaos.ledger(number=BUSINESS)["texts"]) == 3


def test_a_text_that_is_not_answered_yet_is_in_the_ledger(
    business: Business, chaos: Rehearsal
) -> None:
    business.open.clear()
    [thread] = chaos.texts("Hello?")
    business.texts.get(timeout=WAIT_S)
    [entry] = chaos.ledger()["texts"]
    assert (entry["taken"], entry["posts"][0]["answered"]) == (False, None)
    business.open.set()
    thread.join()
    assert chaos.ledger()["texts"][0]["posts"][0]["answered"] is not None
