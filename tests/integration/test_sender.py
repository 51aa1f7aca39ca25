"""The outbox to Twilio: each part once and in order, through every trouble that HTTP can give."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import async_timeout
import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from connectors import keys
from connectors.errors import SendRefused, SendUnavailable
from connectors.gatekeeper import Gatekeeper
from connectors.lanes import Worker
from connectors.ledger import Ledger
from connectors.outbox import Outbox
from connectors.pace import Pace
from connectors.part import Part
from connectors.sender import Lateness, Sender
from connectors.settings import Twilio
from connectors.store import Store
from connectors.twilio_api import TwilioApi
from connectors.wire import StatusReport
from local.ports import free_port
from local.pretend_twilio import PretendConfig, create_app
from local.pretend_twilio.server import PhoneServer
from tests.log import log_of
from tests.pretend_business import (
    ACCOUNT,
    BUSINESS,
    CUSTOMER,
    SECOND_BUSINESS,
    TOKEN,
    pretend_config,
    serving,
)

pytestmark = pytest.mark.integration

CONVERSATION = "c" * 32
SESSION = "01JD0000000000000000000000"
LISTED_WITHIN = 0.3
GAVE_UP = 4.0
TWILIO_IS_LATE = 2.0
LATE_AFTER = 600.0
SORRY = "Sorry, that took too long."


class Troubled:
    """A pretend Twilio whose next answers to `POST /Messages` can be scripted.

    "429", "500" and "401" are answered instead of taking the message; "500 after", "hang after"
    and "rubbish after" come after it was taken.
    """

    def __init__(self, app: Starlette) -> None:
        self.app = app
        self.state = app.state
        self.script: deque[str] = deque()
        self.asked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        self.asked += 1
        trouble = self.script.popleft() if self.script else ""
        if not trouble:
            await self.app(scope, receive, send)
            return
        if trouble.endswith("after"):
            await self.app(scope, receive, _into_the_void)
        if trouble == "hang after":
            await asyncio.sleep(1.5)
        await self._answer(trouble)(scope, receive, send)

    def _answer(self, trouble: str) -> Response:
        if trouble == "rubbish after":
            return Response("{", 201)
        status = int(trouble[:3]) if trouble[0].isdigit() else 201
        if trouble.endswith("of a proxy"):
            return Response("<html>no</html>", status)
        error = {
            "code": {429: 20429, 401: 20003}.get(status, 20500),
            "message": "",
            "status": status,
        }
        return JSONResponse(error, status, headers={"Retry-After": "1"} if status == 429 else {})


async def _into_the_void(_: Message) -> None:
    """The message is taken, and nobody hears of it."""


class Post:
    """An outbox with a sender, and the Twilio that it sends to."""

    def __init__(
        self,
        store: Store,
        twilio: Troubled,
        url: str,
        *,
        segments_per_second: float | None = None,
        apology: str | None = None,
        concurrency: int = 4,
    ) -> None:
        self.twilio = twilio
        self.twilio_url = url
        self.outbox = Outbox(store)
        self.api = TwilioApi(
            Twilio(ACCOUNT, (TOKEN,), None, url, (BUSINESS,), "http://127.0.0.1:9", pretend=False),
            timeout=0.5,
        )
        sender = Sender(
            self.outbox,
            self.api,
            Gatekeeper(store),
            Ledger(store, list),
            Pace(store, segments_per_second),
            Lateness(LATE_AFTER, lambda _: apology),
            LISTED_WITHIN,
            GAVE_UP,
        )
        self.worker = Worker(self.outbox.lane, sender.handle, concurrency)

    async def stop(self) -> None:
        await self.worker.stop()
        self.api.close()

    async def leave(self, *parts: Part, session: str = SESSION) -> None:
        """What the commit does: the parts are in the outbox, and their customer is due.

        `session` is the live one; "" is none.
        """
        client, lane = self.outbox.store.client, self.outbox.lane
        await Ledger(self.outbox.store, list).make_whole()
        for part in parts:
            if session:
                name = keys.session(part.conversation)
                await client.hset(name, "id", session)
                await client.hset(name, "business", part.business)
                await client.hset(name, "customer", part.customer)
            await client.rpush(lane.items(part.conversation), part.write())
        # Only now: a worker would take the first one alone.
        await client.zadd(lane.due, {part.conversation: 0 for part in parts})

    async def all_settled(self) -> None:
        async with async_timeout.timeout(20):
            while await self.outbox.store.client.zcard(self.outbox.lane.due):
                await asyncio.sleep(0.01)

    def received(self, customer: str = CUSTOMER) -> list[str]:
        """The bodies that Twilio took, in order; of every customer if it is ""."""
        return [message.body for message in self.twilio.state.store.of_customer(customer)]


async def logged(logs: list[Any], event: str) -> None:
    """The line may come a moment after what it tells of."""
    async with async_timeout.timeout(10):
        while not any(line["event"] == event for line in logs):
            await asyncio.sleep(0.01)


def part(body: str) -> Part:
    return Part.new(CONVERSATION, SESSION, BUSINESS, CUSTOMER, body)


def late(body: str) -> Part:
    fresh = part(body)
    return replace(fresh, created_ms=fresh.created_ms - int(LATE_AFTER * 1000) - 1000)


def part_for(number: int, business: str = BUSINESS) -> Part:
    """For somebody of the crowd."""
    return Part.new(f"{number:032x}", SESSION, business, f"+1555012{number:04}", f"part {number}")


@contextmanager
def troubled_twilio(config: PretendConfig) -> Iterator[tuple[Troubled, str]]:
    troubled = Troubled(create_app(config))
    server = PhoneServer(troubled, free_port())  # type: ignore[arg-type]
    with serving(server) as url:
        yield troubled, url


@pytest.fixture
def twilio() -> Iterator[tuple[Troubled, str]]:
    # Messages stay queued for ever, so that no report comes unless the test sends it.
    with troubled_twilio(pretend_config("http://127.0.0.1:9", queued_ms=10**8)) as twilio:
        yield twilio


@asynccontextmanager
async def working(post: Post) -> AsyncIterator[Post]:
    post.worker.start()
    try:
        yield post
    finally:
        await post.stop()


@pytest.fixture
async def post(store: Store, twilio: tuple[Troubled, str]) -> AsyncIterator[Post]:
    async with working(Post(store, *twilio)) as post:
        yield post


@pytest.fixture
async def sorry_post(store: Store, twilio: tuple[Troubled, str]) -> AsyncIterator[Post]:
    """Its customers get a sentence instead of late replies; their session lives."""
    async with working(Post(store, *twilio, apology=SORRY)) as post:
        yield post


async def test_a_part_is_sent_once_and_its_sid_kept(post: Post) -> None:
    sent = part("Yes, we do.")
    await post.leave(sent)
    await post.all_settled()
    assert post.received() == ["Yes, we do."]
    [sid] = await post.outbox.store.client.keys(keys.message("*"))
    assert await post.outbox.store.client.hgetall(sid) == {
        "part": sent.id,
        "status": "queued",
        "rank": "1",
    }
    [record] = await log_of(post.outbox.store)
    assert record["kind"] == "part.sent"
    assert record["session"] == SESSION
    assert record["data"]["part"] == sent.id
    assert keys.message(record["data"]["sid"]) == sid


@pytest.mark.parametrize(
    ("script", "requests"),
    [
        (["429", "429"], 3),
        (["500"], 2),
        (["500", "500"], 3),
        (["500 after"], 1),
        (["hang after"], 1),
        (["rubbish after"], 1),
        (["429", "500", "500 after"], 3),
    ],
)
async def test_no_trouble_loses_or_doubles_a_part(
    post: Post, script: list[str], requests: int
) -> None:
    post.twilio.script.extend(script)
    await post.leave(part("Yes, we do."))
    await post.all_settled()
    assert post.received() == ["Yes, we do."]
    assert post.twilio.asked == requests


async def test_what_twilio_takes_long_after_we_gave_up_is_not_sent_again(post: Post) -> None:
    async with httpx.AsyncClient(base_url=post.twilio_url, trust_env=False) as http:
        late = {"messages": [{"latency_ms": int(TWILIO_IS_LATE * 1000)}]}
        (await http.post("/chaos/script", json=late)).raise_for_status()
    await post.leave(part("Yes, we do."))
    await until(lambda: any(m.trouble for m in post.twilio.state.store.of_customer(CUSTOMER)))
    await post.all_settled()
    assert post.received() == ["Yes, we do."]


async def test_a_message_that_twilio_made_twice_is_named(post: Post) -> None:
    """It took the first request after all, when nobody could know any more."""
    sent = part("Yes, we do.")
    await post.leave(sent)
    await post.all_settled()
    with capture_logs() as logs:
        for status in ("sent", "delivered"):
            assert await post.outbox.report(StatusReport("SM" + "9" * 32, status, "", sent.id))
    # The line about the first sending may come a moment after what it tells of.
    events = [line["event"] for line in logs]
    assert [event for event in events if event != "sms.sent"] == ["sms.doubled"]


async def test_retry_after_is_honoured(post: Post) -> None:
    post.twilio.script.append("429")
    loop = asyncio.get_running_loop()
    began = loop.time()
    await post.leave(part("Yes, we do."))
    await post.all_settled()
    assert loop.time() - began >= 1.0


async def test_a_later_429_does_not_make_an_earlier_doubt_forgotten(post: Post) -> None:
    """Twilio took it, answered 500, did not list it in time, and then had no time for us."""
    doubtful = replace(part("Yes, we do."), asked_ms=part("").created_ms - 5_000)
    post.twilio.script.append("429")
    await post.leave(doubtful)
    async with async_timeout.timeout(5):
        while not post.twilio.asked:
            await asyncio.sleep(0.01)
    await post.outbox.report(StatusReport("SM" + "9" * 32, "sent", "", doubtful.id))
    await post.all_settled()
    assert post.twilio.asked == 1
    assert post.received() == []


async def test_a_request_that_leaves_too_late_is_not_made(post: Post) -> None:
    """The process stood still after its note: somebody else may have sent the part meanwhile."""
    stale = replace(part("Yes, we do."), asked_ms=part("").created_ms - 4_000)
    with pytest.raises(SendUnavailable):
        await post.api.send(stale)
    assert post.twilio.asked == 0


async def test_refused_credentials_lose_nothing(post: Post) -> None:
    post.twilio.script.append("401")
    with capture_logs() as logs:
        await post.leave(part("Yes, we do."))
        await logged(logs, "sms.later")
    [later] = [line for line in logs if line["event"] == "sms.later"]
    assert later["in_seconds"] == 60.0
    assert await post.outbox.store.client.llen(post.outbox.lane.items(CONVERSATION)) == 1


async def test_what_twilio_never_takes_is_dropped_and_named(post: Post) -> None:
    with capture_logs() as logs:
        await post.leave(replace(part("hello"), customer="+15005550004"))
        await logged(logs, "sms.dropped")
    [dropped] = [line for line in logs if line["event"] == "sms.dropped"]
    assert dropped["code"] == 21610
    consent, record = await log_of(post.outbox.store)
    assert (consent["kind"], record["kind"]) == ("consent", "part.dropped")
    assert record["data"]["code"] == 21610
    assert record["data"]["reason"]
    assert "+15005550004" not in str(logs)


async def test_a_reply_that_is_too_old_is_dropped(post: Post) -> None:
    await post.leave(late("hello"))
    await post.all_settled()
    assert post.received() == []
    assert post.twilio.asked == 0


async def test_twilio_is_told_how_long_a_reply_is_of_use(post: Post) -> None:
    post.api.validity_seconds = 36_001  # a second longer than it keeps anything
    with pytest.raises(SendRefused) as refused:
        await post.api.send(replace(part("Yes, we do."), asked_ms=part("").created_ms))
    assert refused.value.code == 30045


async def test_all_that_is_late_becomes_one_apology(sorry_post: Post) -> None:
    await sorry_post.leave(late("Yes, we do. It"), late("costs $60."), late("Monday."), part("Hi!"))
    await said_of_all(sorry_post, "sent", until=2)
    assert sorry_post.received() == [SORRY, "Hi!"]
    log = await log_of(sorry_post.outbox.store)
    [apology] = [record["data"] for record in log if record["kind"] == "part.apology"]
    assert (apology["body"], len(apology["instead_of"])) == (SORRY, 3)


async def test_an_apology_waits_for_twilio_as_long_as_it_must(sorry_post: Post) -> None:
    """And what is late meanwhile is covered by it, too."""
    sorry_post.twilio.script.append("429")
    await sorry_post.leave(late("Yes, we do."))
    async with async_timeout.timeout(5):
        while not sorry_post.twilio.asked:
            await asyncio.sleep(0.01)
    await sorry_post.leave(late("Monday."))
    await sorry_post.all_settled()
    assert sorry_post.received() == [SORRY]


async def test_an_apology_whose_outcome_is_unknown_is_not_sent_twice(sorry_post: Post) -> None:
    sorry_post.twilio.script.append("500 after")
    await sorry_post.leave(late("Yes, we do."))
    await sorry_post.all_settled()
    assert sorry_post.received() == [SORRY]


async def test_nobody_gets_an_apology_whose_session_is_over(sorry_post: Post) -> None:
    await sorry_post.leave(late("Yes, we do."), session="")
    await sorry_post.all_settled()
    assert sorry_post.received() == []
    assert sorry_post.twilio.asked == 0


async def test_two_senders_keep_the_pace_of_a_number_together(
    store: Store, twilio: tuple[Troubled, str]
) -> None:
    posts = [Post(store, *twilio, segments_per_second=10) for _ in range(2)]
    await posts[0].leave(*(part_for(number) for number in range(16)))
    async with working(posts[0]), working(posts[1]):
        await posts[0].all_settled()
    messages = twilio[0].state.store.of_customer("")
    assert sorted(m.body for m in messages) == sorted(f"part {n}" for n in range(16))
    took = (messages[-1].created - messages[0].created).total_seconds()
    assert took > 1.2  # 15 tenths of a second, less what the first one may have been late


async def test_no_two_parts_have_the_same_place(store: Store) -> None:
    paces = [Pace(store, 4.0) for _ in range(2)]
    parts = [part_for(number) for number in range(20)]
    asked = [pace.wait_for(p, 60) for p, pace in zip(parts, paces * 10, strict=True)]
    waits = [wait or 0 for wait in await asyncio.gather(*asked)]
    passed = 5.0 - 0.25 - max(waits)  # since the first one asked
    assert 0 <= passed < 2
    last = parts[waits.index(max(waits))]  # they asked at once, so any of them may be the last
    again = await paces[0].wait_for(last, 60)
    assert again is not None
    assert again <= max(waits)  # who asks again has the same place
    assert await paces[1].wait_for(part_for(99), 3.0) is None
    assert await Pace(store, None).wait_for(part_for(99), 3.0) == 0


async def test_a_number_that_waits_holds_up_no_other(
    store: Store, twilio: tuple[Troubled, str]
) -> None:
    """One pair of hands, a long queue at one number, and a customer of another."""
    other = replace(part_for(99), business=SECOND_BUSINESS)
    async with working(Post(store, *twilio, segments_per_second=0.1, concurrency=1)) as post:
        await post.leave(*(part_for(number) for number in range(20)))
        await until(lambda: post.received(""))
        await post.leave(other)
        await until(lambda: other.body in post.received(""))
        assert len(post.received("")) == 2


async def test_the_same_words_twice_are_two_parts(post: Post) -> None:
    """The second "OK" must not be taken for the first when its outcome is looked up."""
    first, second = part("OK"), part("OK")
    await post.leave(first)
    await post.all_settled()
    await said(post, first, "sent")
    post.twilio.script.append("500")
    await post.leave(second)
    await post.all_settled()
    assert post.received() == ["OK", "OK"]


async def test_a_crash_before_the_request_left_sends_it(post: Post) -> None:
    marked = part("Yes, we do.")
    await post.leave(replace(marked, asked_ms=marked.created_ms))
    await post.all_settled()
    assert post.received() == ["Yes, we do."]


async def test_a_request_that_may_still_be_under_way_is_waited_for(post: Post) -> None:
    """Its process was stopped in the middle; the request goes on without it."""
    marked = part("Yes, we do.")
    await post.leave(replace(marked, asked_ms=marked.created_ms, over_ms=marked.created_ms + 900))
    await asyncio.sleep(0.5)
    assert post.twilio.asked == 0
    await post.api.send(replace(marked, asked_ms=marked.created_ms))  # there it comes
    await post.all_settled()
    assert post.received() == ["Yes, we do."]


async def test_a_body_that_twilio_changed_is_recognised(post: Post) -> None:
    """Trial accounts get a sentence put before everything they send."""
    marked = part("Yes,  we do.")
    changed = replace(marked, body="Sent from a trial account - Yes, we do.")
    await post.api.send(replace(changed, asked_ms=marked.created_ms))
    await post.leave(replace(marked, asked_ms=marked.created_ms))
    await post.all_settled()
    assert len(post.received()) == 1


async def test_what_stands_between_us_and_twilio_may_say_no_for_a_moment(post: Post) -> None:
    post.twilio.script.append("410 of a proxy")
    await post.leave(part("Yes, we do."))
    await post.all_settled()
    assert post.received() == ["Yes, we do."]


async def test_a_crash_after_twilio_took_it_does_not_send_it_again(post: Post) -> None:
    marked = part("Yes, we do.")
    marked = replace(marked, asked_ms=marked.created_ms)
    await post.api.send(marked)
    await post.leave(replace(marked, asked_ms=marked.created_ms))
    await post.all_settled()
    assert post.received() == ["Yes, we do."]


async def test_a_report_tells_the_sid_of_a_part_whose_request_failed(post: Post) -> None:
    marked = part("Yes, we do.")
    await post.outbox.report(StatusReport("SM" + "9" * 32, "sent", "", marked.id))
    await post.leave(replace(marked, asked_ms=marked.created_ms))
    await post.all_settled()
    assert post.twilio.asked == 0
    assert await post.outbox.part_of("SM" + "9" * 32) == marked.id


async def until(is_so: Callable[[], object]) -> None:
    async with async_timeout.timeout(10):
        while not is_so():
            await asyncio.sleep(0.01)


async def said_of_all(post: Post, status: str, until: int) -> None:
    """Delivery reports come for everything, until so many messages were taken."""
    async with async_timeout.timeout(10):
        while len(taken := post.twilio.state.store.of_customer(CUSTOMER)) < until:
            for message in taken:
                part_id = parse_qs(urlsplit(message.status_callback).query)["part"][0]
                await post.outbox.report(StatusReport(message.sid, status, "", part_id))
            await asyncio.sleep(0.01)


async def said(post: Post, of: Part, status: str) -> None:
    """A delivery report comes for a part that was sent."""
    client = post.outbox.store.client
    async with async_timeout.timeout(10):
        while True:
            for name in await client.keys(keys.message("*")):
                if await client.hget(name, "part") == of.id:
                    report = StatusReport(name.rpartition(":")[2], status, "", of.id)
                    await post.outbox.report(report)
                    return
            await asyncio.sleep(0.01)


async def test_the_next_part_waits_until_the_one_before_is_on_its_way(post: Post) -> None:
    one, two, three = part("one"), part("two"), part("three")
    await post.leave(one, two, three)
    await said(post, one, "sending")
    await asyncio.sleep(0.3)  # nothing must happen, and for that there is no event
    assert post.received() == ["one"]
    await said(post, one, "sent")
    await said(post, two, "sending")
    await asyncio.sleep(0.3)
    assert post.received() == ["one", "two"]
    await said(post, two, "delivered")
    await post.all_settled()
    assert post.received() == ["one", "two", "three"]
