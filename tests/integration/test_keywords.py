"""STOP, START, HELP, machines and floods: texts at the door of a real Valkey."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from typing import Any

import pytest

from connectors import keys
from connectors.assistant import Texts
from connectors.consent_history import Consent
from connectors.house_rules import SAME_PER_MINUTE, HouseRules
from connectors.ids import conversation_id
from connectors.inbox import Inbox, Outcome
from connectors.ledger import Ledger
from connectors.settings import Limits
from connectors.store import Store
from connectors.wire import InboundText
from tests.log import log_of

pytestmark = pytest.mark.integration

OURS, SHORT_CODE, ADA = "+15550100001", "12345", "+15550109999"
TEXTS = Texts(
    help="Help.", opted_out="Out.", opted_in="In.", too_fast="Slower.", too_many="Enough."
)
sids = (f"SM{number:032x}" for number in itertools.count())


class Door:
    """What a customer texts, and what waits for the sender then."""

    def __init__(self, store: Store, **rules: Any) -> None:
        self.store = store
        self.ledger = Ledger(store, list)
        self.rules = HouseRules(texts=lambda number: TEXTS, ours=lambda: (OURS,), **rules)
        self.inbox = Inbox(
            store, settle_ms=0, session_seconds=lambda number: 86_400, rules=self.rules
        )

    async def text(
        self, body: str, customer: str = ADA, to: str = OURS, heard: str = "", sent: float = 0
    ) -> Outcome:
        text = InboundText(next(sids), customer, to, body, opt_out_type=heard)
        return await self.inbox.accept(text, sent)

    async def conversation(self, customer: str = ADA, to: str = OURS) -> str:
        return conversation_id(await self.store.id_key(), to, customer)

    async def said(self, to: str = OURS) -> list[str]:
        name = keys.lane_items("outbox", await self.conversation(to=to))
        return [json.loads(part)["body"] for part in await self.store.client.lrange(name, 0, -1)]

    async def waiting(self) -> list[str]:
        name = keys.lane_items("inbox", await self.conversation())
        items = await self.store.client.lrange(name, 0, -1)
        return [json.loads(item.split(" ", 2)[2])["body"] for item in items]

    async def word(self) -> str:
        return await self.ledger.word(await self.conversation())

    async def is_live(self) -> bool:
        return bool(await self.store.client.exists(keys.session(await self.conversation())))

    async def records(self, kind: str) -> list[dict[str, Any]]:
        return [record["data"] for record in await log_of(self.store) if record["kind"] == kind]

    async def refusals(self) -> list[str]:
        return [record["reason"] for record in await self.records("refused")]


@pytest.fixture
async def door(store: Store) -> Door:
    door = Door(store, twilio_answers=False)
    await door.ledger.make_whole()
    return door


async def test_stop_is_confirmed_once_and_then_nothing_is_answered(door: Door) -> None:
    await door.text("hello")
    assert await door.text("Stop!") is Outcome.KEYWORD
    assert await door.text("stop") is Outcome.KEYWORD
    assert await door.text("please stop texting me") is Outcome.KEYWORD
    assert await door.text("are you there?") is Outcome.REFUSED
    assert await door.said() == ["Out."]
    assert await door.word() == "out"
    assert not await door.is_live()
    assert await door.refusals() == ["opted_out"]
    [refused] = await door.records("refused")
    assert refused["text"]["body"] == "are you there?"  # nothing said is lost
    [consent] = await door.records("consent")
    assert (consent["state"], consent["how"]) == ("out", "keyword")
    assert (consent["business"], consent["customer"]) == (OURS, ADA)


async def test_what_is_said_at_the_door_is_on_record_like_any_turn(door: Door) -> None:
    await door.text("STOP")
    log = await log_of(door.store)
    kinds = ["session.opened", "text", "consent", "turn", "session.ended"]
    assert [record["kind"] for record in log] == kinds
    assert len({record["session"] for record in log}) == 1
    assert log[4]["data"]["reason"] == "opted_out"
    turn = log[3]["data"]
    assert turn["texts"] == [log[1]["data"]["sid"]]
    assert [part["body"] for part in turn["parts"]] == ["Out."]
    [part] = await door.store.client.lrange(
        keys.lane_items("outbox", await door.conversation()), 0, -1
    )
    assert json.loads(part)["session"] == log[3]["session"]
    assert json.loads(part)["kind"] == "opted_out"


async def test_a_start_counts_before_it_is_known_again_who_is_out(store: Store) -> None:
    """Redis was lost, and the database is not read back yet."""
    door = Door(store, twilio_answers=False)
    door.ledger.history = lambda: [Consent(OURS, ADA, "out", at_ms=1)]
    await door.text("START")
    await door.ledger.make_whole()
    assert await door.word() == "in"
    assert await door.said() == ["In."]


async def test_a_redelivered_stop_is_one_stop(door: Door) -> None:
    text = InboundText(next(sids), ADA, OURS, "STOP")
    outcomes = await asyncio.gather(*(door.inbox.accept(text) for _ in range(5)))
    assert sorted(outcomes) == [Outcome.SEEN_BEFORE] * 4 + [Outcome.KEYWORD]
    assert await door.said() == ["Out."]


async def test_start_opens_the_ear_again(door: Door) -> None:
    await door.text("STOP")
    await door.text("START")
    assert await door.word() == "in"
    assert await door.text("hello again") is Outcome.WAITS
    assert await door.said() == ["Out.", "In."]
    assert [c["state"] for c in await door.records("consent")] == ["out", "in"]


async def test_yes_is_an_answer_unless_the_customer_is_out(door: Door) -> None:
    assert await door.text("yes") is Outcome.WAITS
    assert await door.waiting() == ["yes"]
    await door.text("STOP")
    assert await door.text("YES") is Outcome.KEYWORD
    assert await door.word() == "in"


async def test_help_gets_the_business_own_text_also_after_stop(door: Door) -> None:
    await door.text("help")
    await door.text("STOP")
    await door.text("INFO")
    assert await door.said() == ["Help.", "Out.", "Help."]


async def test_twilio_answers_its_own_keywords_and_we_do_not(store: Store) -> None:
    door = Door(store)
    await door.text("STOP")
    assert await door.word() == "out:twilio"
    await door.text("HELP")  # Twilio would not let it through
    await door.text("START")
    assert await door.word() == "in"
    assert await door.said() == []
    await door.text("help")
    assert await door.said() == ["Help."]


async def test_what_twilio_does_not_hear_is_ours_to_answer(store: Store) -> None:
    """And then Twilio, whose list is empty, has nothing to say to START either."""
    door = Door(store)
    await door.text("Please stop texting me")
    await door.text("START")
    assert await door.said() == ["Out.", "In."]
    await door.text("Please stop texting me")
    await door.text("STOP")  # Twilio confirms this one
    assert await door.word() == "out:twilio"
    await door.text("START")
    assert await door.said() == ["Out.", "In.", "Out."]


async def test_nobody_but_us_answers_at_a_short_code(store: Store) -> None:
    door = Door(store)
    await door.text("STOP", to=SHORT_CODE)
    await door.text("START", to=SHORT_CODE)
    assert await door.said(to=SHORT_CODE) == ["Out.", "In."]


@pytest.mark.parametrize(("heard", "word"), [("STOP", "out:twilio"), ("START", ""), ("HELP", "")])
async def test_what_advanced_opt_out_answered_is_not_answered_again(
    door: Door, heard: str, word: str
) -> None:
    assert await door.text("arrêt", heard=heard) is Outcome.KEYWORD
    assert await door.said() == []
    assert await door.word() == word


async def test_stop_ends_the_session_of_texts_that_still_wait(door: Door) -> None:
    await door.text("one")
    await door.text("STOP")
    await door.text("START")
    await door.text("two")
    sessions = {
        item.split(" ")[1]
        for item in await door.store.client.lrange(
            keys.lane_items("inbox", await door.conversation()), 0, -1
        )
    }
    assert len(sessions) == 2  # the first one's is over: its text is not answered


async def test_a_stop_that_was_lost_on_the_way_does_not_undo_a_later_start(door: Door) -> None:
    await door.text("STOP")
    await door.text("START")
    assert await door.text("STOP", sent=1.0) is Outcome.REFUSED
    assert await door.word() == "in"
    assert await door.refusals() == ["outdated"]


async def test_our_own_numbers_and_short_codes_are_not_answered(door: Door) -> None:
    assert await door.text("hello", customer=OURS) is Outcome.REFUSED
    assert await door.text("Your code is 123456", customer="22395") is Outcome.REFUSED
    assert await door.text("hello", customer="PARCELS") is Outcome.REFUSED
    assert await door.refusals() == ["own_number", "no_person", "no_person"]
    assert await door.store.client.zcard(keys.lane("inbox")) == 0


async def test_a_machine_in_a_loop_is_not_answered_for_ever(store: Store) -> None:
    door = Door(store, limits=Limits(30, 500, 0))
    outcomes = [await door.text("I'm driving right now.") for _ in range(SAME_PER_MINUTE + 2)]
    assert outcomes == [Outcome.WAITS] * SAME_PER_MINUTE + [Outcome.REFUSED] * 2
    assert await door.text("something else") is Outcome.WAITS
    assert await door.refusals() == ["loop", "loop"]
    assert await door.said() == []


@pytest.mark.parametrize(
    ("limits", "reason", "notice"),
    [(Limits(3, 500, 0), "too_fast", "Slower."), (Limits(30, 3, 0), "too_many", "Enough.")],
)
async def test_who_texts_too_much_is_told_so_once(
    store: Store, limits: Limits, reason: str, notice: str
) -> None:
    door = Door(store, limits=limits)
    outcomes = [await door.text(f"text {number}") for number in range(6)]
    assert outcomes == [Outcome.WAITS] * 3 + [Outcome.REFUSED] * 3
    assert await door.refusals() == [reason] * 3
    assert await door.said() == [notice]
    assert await door.text("hello", customer="+15550108888") is Outcome.WAITS
    assert await door.text("please stop texting me") is Outcome.KEYWORD


async def test_a_flood_of_keywords_is_heard_and_not_answered_for_ever(store: Store) -> None:
    door = Door(store, limits=Limits(4, 500, 0), twilio_answers=False)
    for body in ["STOP", "START"] * 5:
        assert await door.text(body) is Outcome.KEYWORD
    assert await door.said() == ["Out.", "In."] * 2
    assert await door.word() == "in"
    assert await door.refusals() == ["too_fast"] * 6


@pytest.mark.parametrize(
    ("limits", "name", "notice"),
    [
        (Limits(0, 0, 0, 5, 0), "minute", "Slower."),
        (Limits(0, 0, 0, 0, 5), "day", "Enough."),
    ],
)
@pytest.mark.parametrize("body", ["and now?", "yes"])
async def test_who_is_sent_too_much_is_told_so_and_asks_the_model_nothing(
    store: Store, limits: Limits, name: str, notice: str, body: str
) -> None:
    """The sender counts in segments; see test_gate."""
    door = Door(store, limits=limits, twilio_answers=False)
    assert await door.text("hello") is Outcome.WAITS
    at = int(time.time() * 1000)
    for field, value in {f"sent_{name}": 5, f"sent_{name}_from": at}.items():
        await store.client.hset(keys.limits(await door.conversation()), field, str(value))
    assert [await door.text(body) for _ in range(2)] == [Outcome.REFUSED] * 2
    assert await door.refusals() == [f"customer_segments_per_{name}"] * 2
    assert await door.said() == [notice]
    assert await door.text("HELP") is Outcome.KEYWORD
    assert await door.text("STOP") is Outcome.KEYWORD
    assert await door.said() == [notice, "Help.", "Out."]
    assert await door.text("hello", customer="+15550108888") is Outcome.WAITS


async def test_a_yes_over_the_limit_is_a_text_like_any_other(store: Store) -> None:
    door = Door(store, limits=Limits(0, 1, 0, 0, 0), twilio_answers=False)
    assert await door.text("hello") is Outcome.WAITS
    assert await door.text("yes") is Outcome.REFUSED
    assert await door.said() == ["Enough."]


async def test_the_minute_passes(store: Store) -> None:
    door = Door(store, limits=Limits(1, 500, 0))
    await door.text("one")
    assert await door.text("two") is Outcome.REFUSED
    name = keys.limits(await door.conversation())
    await store.client.hincrby(name, "minute_from", -60_000)
    assert await door.text("three") is Outcome.WAITS


async def test_a_session_that_no_text_opened_makes_way_for_the_customers(door: Door) -> None:
    """Somebody wrote into the conversation over the API before its customer ever texted."""
    name = keys.session(await door.conversation())
    for field, value in {"id": "OPENED-BY-API", "business": "", "customer": ""}.items():
        await door.store.client.hset(name, field, value)
    await door.text("hello")
    assert await door.store.field(name, "customer") == ADA
    assert await door.store.field(name, "id") != "OPENED-BY-API"
