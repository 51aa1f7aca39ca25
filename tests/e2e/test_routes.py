"""Every way to text somebody, in every state of a conversation, with `rasa run --enable-api`."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
import redis

from connectors import keys
from connectors.dead_letters import DeadLetter, DeadLetters
from connectors.ids import conversation_id
from connectors.part import Part
from connectors.session_log import REFUSED
from connectors.store import Store
from connectors.wire import InboundText
from tests.e2e.processes import Forked, wait_until
from tests.e2e.rehearsal import Rehearsal, rehearsal, scripted_model
from tests.pretend_business import BUSINESS, SECOND_BUSINESS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

STATES = ("none", "live", "expired", "opted out", "unapproved number")
I_AM = "I'm an automated assistant"
numbers = itertools.count(15550130000)


@dataclass
class Office(Rehearsal):
    """A business whose second number is in no campaign, and a hand in its Redis."""

    redis: redis.Redis[str] = field(kw_only=True)

    @property
    def api(self) -> str:
        return self.rasa.health.partition("/webhooks")[0]

    def health(self) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(self.rasa.health, trust_env=False).json()
        return found

    def records(self, conversation: str, kind: str) -> list[dict[str, Any]]:
        found = [fields for _, fields in self.redis.xrange(keys.LOG)]
        found = [f for f in found if (f["kind"], f["conversation"]) == (kind, conversation)]
        return [json.loads(record["data"]) for record in found]


@dataclass
class Somebody:
    """A customer in one of the states."""

    office: Office
    state: str
    number: str
    business: str

    @property
    def conversation(self) -> str:
        id_key = self.office.redis.get(keys.ID_KEY)
        assert id_key
        return conversation_id(id_key, self.business, self.number)

    @property
    def session(self) -> str:
        return self.office.redis.hget(keys.session(self.conversation), "id") or "S0"

    def got(self) -> list[str]:
        messages = self.office.messages(self.number)
        return [m["body"] for m in messages if m["direction"] == "outbound"]

    def posts(self, path: str, body: object, **query: str) -> httpx.Response:
        url = f"{self.office.api}/conversations/{self.conversation}/{path}"
        return httpx.post(url, json=body, params=query, timeout=20, trust_env=False)

    def kept(self) -> list[str]:
        """What Redis keeps under the conversation's own names."""
        return sorted(self.office.redis.keys(f"*session:{self.conversation}*"))

    def gets_into(self, state: str) -> None:
        if state == "expired":
            self.office.redis.delete(*self.kept())
        elif state == "opted out":
            self.office.texts("please stop texting me", self.number)
            wait_until(lambda: "unsubscribed" in self.got()[-1], 20, "the confirmation")

    def __post_init__(self) -> None:
        if self.state != "none":
            self.office.texts("are you a bot?", self.number, to=self.business)
        if self.state == "unapproved number":
            wait_until(self.was_refused, 30, "the first answer refused")
        elif self.state != "none":
            self.office.answers(1, self.number)
        self.gets_into(self.state)
        wait_until(self.is_quiet, 30, "everything sent")

    def was_refused(self) -> bool:
        return bool(self.office.records(self.conversation, "refused"))

    def is_quiet(self) -> bool:
        return self.office.redis.zscore(keys.lane("outbox"), self.conversation) is None


@pytest.fixture(scope="module")
def office(trained: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    def second_number_has_no_campaign(phone_url: str) -> None:
        told = {"number": SECOND_BUSINESS, "state": NOT_APPROVED}
        answer = httpx.post(f"{phone_url}/registration", json=told, trust_env=False)
        assert answer.status_code == 200, answer.text

    with (
        scripted_model() as model,
        rehearsal(
            model.base_url,
            tmp_path_factory.mktemp("routes"),
            starter=Forked,
            options=("--enable-api",),
            prepare=second_number_has_no_campaign,
            TWILIO_NUMBERS=f"{BUSINESS},{SECOND_BUSINESS}",
        ) as business,
    ):
        client = redis.Redis.from_url(business.valkey.url, decode_responses=True)
        office = Office(**vars(business), redis=client)
        wait_until(lambda: _refuses(office, SECOND_BUSINESS), 30, "the number's standing known")
        yield office
        client.close()


NOT_APPROVED = "no campaign"


def _refuses(office: Office, number: str) -> bool:
    told = office.health()["numbers"]
    return any(n["number"].endswith(number[-4:]) and not n["answers"] for n in told)


Route = Callable[[Somebody], "httpx.Response | None"]


def trigger_intent(customer: Somebody) -> httpx.Response:
    return customer.posts("trigger_intent", ASK, output_channel="twilio_sms")


def trigger_intent_latest(customer: Somebody) -> httpx.Response:
    return customer.posts("trigger_intent", ASK, output_channel="latest")


def execute(customer: Somebody) -> httpx.Response:
    return customer.posts(
        "execute", {"name": "utter_i_am_an_assistant"}, output_channel="twilio_sms"
    )


def events_with_side_effects(customer: Somebody) -> httpx.Response:
    said = {"event": "bot", "text": f"{I_AM}, says an event."}
    return customer.posts("tracker/events", said, **SIDE_EFFECTS)


def reminder(customer: Somebody) -> httpx.Response:
    return customer.posts("tracker/events", a_reminder(), **SIDE_EFFECTS)


def reply_that_waited(customer: Somebody) -> None:
    """It was committed, and the session has come to this before it was sent."""
    lane, conversation = keys.lane("outbox"), customer.conversation
    part = Part.new(
        conversation, customer.session, customer.business, customer.number, f"{I_AM}, late."
    )
    customer.office.redis.rpush(keys.lane_items("outbox", conversation), part.write())
    customer.office.redis.zadd(lane, {conversation: 0})
    wait_until(customer.is_quiet, 30, "the part settled")


def dead_letter(customer: Somebody) -> None:
    text = InboundText(f"SM{next(numbers):032x}", customer.number, customer.business, ASK_AGAIN)
    item = f"1 {customer.session} {json.dumps(vars(text))}"
    letter = DeadLetter.new(customer.conversation, "for the test", (item,))
    customer.office.redis.rpush(keys.DEAD_LETTERS, letter.write())
    asyncio.run(_retry(customer.office.valkey.url, letter))
    waiting = keys.lane_items("inbox", customer.conversation)
    wait_until(lambda: not customer.office.redis.llen(waiting), 30, "the text taken")


ASK, ASK_AGAIN = {"name": "ask_if_human"}, "are you a robot?"
SIDE_EFFECTS = {"execute_side_effects": "true", "output_channel": "twilio_sms"}


def a_reminder(seconds: float = 1.0) -> dict[str, object]:
    return {
        "event": "reminder",
        "intent": "ask_if_human",
        "entities": [],
        "name": f"reminder {next(numbers)}",
        "date_time": (datetime.now(timezone.utc) + timedelta(seconds=seconds)).isoformat(),
        "kill_on_user_message": False,
    }


async def _retry(redis_url: str, letter: DeadLetter) -> None:
    store = Store.connect(redis_url)
    await DeadLetters(store).retry(letter)
    await store.close()


ROUTES: dict[str, Route] = {
    "trigger_intent, named channel": trigger_intent,
    "trigger_intent, latest": trigger_intent_latest,
    "execute": execute,
    "tracker/events, a bot event": events_with_side_effects,
    "tracker/events, a reminder": reminder,
    "a reply that waited": reply_that_waited,
    "a dead letter tried again": dead_letter,
}
OVER_HTTP = tuple(ROUTES)[:5]


def test_every_route_in_every_state(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    rows, wrong = [], []
    for route, goes in ROUTES.items():
        for state in STATES:
            row, mistakes = _tried(office, route, goes, state)
            rows.append(row)
            wrong += [f"{route} / {state}: {mistake}" for mistake in mistakes]
    with capsys.disabled():
        print(f"\n{_line('route', 'state', 'HTTP', 'customer got', 'refused by', 'because')}")
        print("\n".join(rows))
    assert not wrong, "\n".join(wrong)


def _tried(office: Office, route: str, goes: Route, state: str) -> tuple[str, list[str]]:
    business = SECOND_BUSINESS if state == "unapproved number" else BUSINESS
    customer = Somebody(office, state, f"+{next(numbers)}", business)
    before, kept = customer.got(), customer.kept()
    known = len(office.records(customer.conversation, "refused"))
    answer = goes(customer)
    allowed = state == "live"
    if allowed:
        wait_until(lambda: len(customer.got()) > len(before), 30, f"{route}: a text")
        wait_until(customer.is_quiet, 30, "everything sent")
    news = customer.got()[len(before) :]
    refused = office.records(customer.conversation, "refused")[known:]
    mistakes = []
    if bool(news) != allowed or any(I_AM not in said for said in news):
        mistakes.append(f"the customer got {news}")
    if route in OVER_HTTP and (answer is None or answer.status_code != (200 if allowed else 403)):
        mistakes.append(f"answered {answer}")
    if not allowed and customer.kept() != kept:
        mistakes.append(f"Redis keeps {customer.kept()}, not {kept}")
    if not allowed and route != "a dead letter tried again" and not refused:
        mistakes.append("no record")
    if answer is not None and answer.status_code == 403 and not answer.json()["message"]:
        mistakes.append("no advice")
    by, because = (refused[0]["route"], refused[0]["reason"]) if refused else ("", "")
    if not allowed and not refused:
        by, because = "retry", "session over"
    http = str(answer.status_code) if answer is not None else "-"
    return _line(route, state, http, str(len(news)), by, because), mistakes


def _line(*columns: str) -> str:
    widths = (30, 18, 5, 13, 15, 0)
    return "  ".join(f"{c:<{w}}" for c, w in zip(columns, widths, strict=True))


@pytest.mark.parametrize("state", ["expired", "opted out"])
def test_a_reminder_that_was_set_in_time_goes_nowhere_afterwards(
    office: Office, state: str
) -> None:
    customer = Somebody(office, "live", f"+{next(numbers)}", BUSINESS)
    assert customer.posts("tracker/events", a_reminder(3), **SIDE_EFFECTS).status_code == 200
    customer.gets_into(state)
    before = customer.got()
    refused = wait_until(
        lambda: office.records(customer.conversation, "refused"), 30, "the reminder refused"
    )
    assert [(r["route"], r["reason"]) for r in refused] == [
        ("reminder", "opted_out" if state == "opted out" else "no_session")
    ]
    assert customer.got() == before
    assert customer.kept() == []


def test_what_was_said_in_a_live_session_is_in_its_tracker(office: Office) -> None:
    customer = Somebody(office, "live", f"+{next(numbers)}", BUSINESS)
    execute(customer)
    stored = office.redis.lrange(keys.events(customer.conversation), 0, -1)
    said = [event["text"] for event in map(json.loads, stored) if event["event"] == "bot"]
    assert len(said) == 2
    wait_until(lambda: len(customer.got()) == 2, 30, "the text")


def test_nothing_stands_in_a_customers_session_that_they_did_not_get(office: Office) -> None:
    customer = Somebody(office, "live", f"+{next(numbers)}", BUSINESS)
    stored = office.redis.lrange(keys.events(customer.conversation), 0, -1)
    answer = customer.posts("trigger_intent", ASK)
    assert (answer.status_code, answer.json()["why"]) == (403, "not_sent")
    assert office.redis.lrange(keys.events(customer.conversation), 0, -1) == stored


def test_the_api_alone_texts_nobody_and_still_works(office: Office) -> None:
    """A developer who tries the assistant, with an id of their own and without a channel."""
    url = f"{office.api}/conversations/a-test/trigger_intent"
    answer = httpx.post(url, json=ASK, timeout=20, trust_env=False)
    assert answer.status_code == 200
    assert I_AM in answer.json()["messages"][0]["text"]


def test_an_opt_out_outlives_the_loss_of_redis_and_a_restart_of_everything(
    office: Office,
) -> None:
    """No review app has ever run here, so the session log was only on Redis' stream."""
    customer = Somebody(office, "opted out", f"+{next(numbers)}", BUSINESS)
    wait_until(lambda: office.health()["opt_outs_not_in_sql"] == 0, 20, "the opt-out in SQL")
    assert office.rasa.end(signal.SIGTERM) == 0
    office.actions.end()
    office.redis.flushall()
    office.valkey.stop()
    office.valkey.start()
    office.actions.start()
    office.rasa.start()
    wait_until(lambda: office.health()["opt_outs_known"], 30, "the ledger read back")
    before = customer.got()

    assert office.texts("are you a bot?", customer.number) == 204
    reply_that_waited(customer)
    answer = trigger_intent(customer)
    told = answer.json()
    assert (answer.status_code, told.get("why")) == (403, "opted_out"), told
    refused = office.records(customer.conversation, REFUSED)
    assert [(record["route"], record["reason"]) for record in refused] == [
        (route, "opted_out") for route in ("text", "sender", "trigger_intent")
    ]
    assert customer.got() == before

    office.texts("START", customer.number)
    office.texts("are you a bot?", customer.number)
    wait_until(lambda: I_AM in customer.got()[-1], 30, "an answer again")


# The last one: its number stays silent for an hour.
UNKNOWN_TO_CARRIERS = "+15005550016"  # the pretend Twilio reports 30034 for texts to it


def test_a_number_that_carriers_do_not_know_falls_silent_and_health_says_why(
    office: Office,
) -> None:
    def standing() -> dict[str, Any]:
        told: list[dict[str, Any]] = office.health()["numbers"]
        return next(number for number in told if number["number"].endswith(BUSINESS[-4:]))

    wait_until(lambda: standing()["ten_dlc"] == "approved", 40, "Twilio's word on the number")
    Somebody(office, "live", UNKNOWN_TO_CARRIERS, BUSINESS)
    wait_until(lambda: not standing()["answers"], 30, "the delivery report")
    assert standing()["reason"] == "number_unregistered"
    assert (
        trigger_intent(Somebody(office, "none", f"+{next(numbers)}", BUSINESS)).status_code == 403
    )
    customer = Somebody(office, "unapproved number", f"+{next(numbers)}", BUSINESS)
    [refused] = office.records(customer.conversation, REFUSED)
    assert (refused["reason"], customer.got()) == ("number_not_approved", [])
    assert "30034" in refused["do"]
