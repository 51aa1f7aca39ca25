"""Chaos mode can be scripted, left to odds, and repeated by its seed."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.base.exceptions import TwilioRestException

from local.pretend_twilio.chaos import Chaos
from local.pretend_twilio.troubles import ANSWERS, read_odds, read_posting_odds, read_script
from tests.integration.pretend_twilio.callers import send
from tests.integration.pretend_twilio.chaos.rehearsal import Rehearsal, text
from tests.pretend_business import CUSTOMER

pytestmark = pytest.mark.integration


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
