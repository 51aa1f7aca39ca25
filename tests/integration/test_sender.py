"""The outbox to Twilio: each part once and in order, through every trouble that HTTP can give."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import async_timeout
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from connectors import keys
from connectors.errors import SendUnavailable
from connectors.lanes import Worker
from connectors.outbox import Outbox
from connectors.part import Part
from connectors.sender import Sender
from connectors.settings import Twilio
from connectors.store import Store
from connectors.twilio_api import TwilioApi
from connectors.wire import StatusReport
from local.ports import free_port
from local.pretend_twilio import PretendConfig, create_app
from local.pretend_twilio.server import PhoneServer
from tests.log import log_of
from tests.pretend_business import ACCOUNT, BUSINESS, CUSTOMER, TOKEN, pretend_config, serving

pytestmark = pytest.mark.integration

CONVERSATION = "c" * 32
SESSION = "01JD0000000000000000000000"
LISTED_WITHIN = 0.3


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

    def __init__(self, store: Store, twilio: Troubled, url: str) -> None:
        self.twilio = twilio
        self.outbox = Outbox(store)
        self.api = TwilioApi(
            Twilio(ACCOUNT, (TOKEN,), None, url, (BUSINESS,), "http://127.0.0.1:9", pretend=False),
            timeout=0.5,
        )
        sender = Sender(self.outbox, self.api, LISTED_WITHIN)
        self.worker = Worker(self.outbox.lane, sender.handle, concurrency=4)

    async def leave(self, *parts: Part) -> None:
        """What the commit does: the parts are in the outbox, and their customer is due."""
        client, lane = self.outbox.store.client, self.outbox.lane
        for part in parts:
            conversation = part.id.partition(".")[0]
            await client.rpush(lane.items(conversation), part.write())
            await client.zadd(lane.due, {conversation: 0})

    async def all_settled(self) -> None:
        async with async_timeout.timeout(20):
            while await self.outbox.store.client.zcard(self.outbox.lane.due):
                await asyncio.sleep(0.01)

    def received(self) -> list[str]:
        """The bodies that Twilio took, in order."""
        return [message.body for message in self.twilio.state.store.of_customer(CUSTOMER)]


async def logged(logs: list[Any], event: str) -> None:
    """The line may come a moment after what it tells of."""
    async with async_timeout.timeout(10):
        while not any(line["event"] == event for line in logs):
            await asyncio.sleep(0.01)


def part(body: str) -> Part:
    return Part.new(CONVERSATION, SESSION, BUSINESS, CUSTOMER, body)


@contextmanager
def troubled_twilio(config: PretendConfig) -> Iterator[tuple[Troubled, str]]:
    troubled = Troubled(create_app(config))
    server = PhoneServer(troubled, free_port())  # type: ignore[arg-type]
    with serving(server) as url:
        yield troubled, url


@pytest.fixture
async def post(store: Store) -> AsyncIterator[Post]:
    # Messages stay queued for ever, so that no report comes unless the test sends it.
    config = pretend_config("http://127.0.0.1:9", queued_ms=10**8)
    with troubled_twilio(config) as (twilio, url):
        post = Post(store, twilio, url)
        post.worker.start()
        yield post
        await post.worker.stop()
        post.api.close()


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
    [record] = await log_of(post.outbox.store)
    assert record["kind"] == "part.dropped"
    assert record["data"]["code"] == 21610
    assert record["data"]["reason"]
    assert "+15005550004" not in str(logs)


async def test_a_reply_that_is_too_old_is_dropped(post: Post) -> None:
    await post.leave(replace(part("hello"), created_ms=part("").created_ms - 601_000))
    await post.all_settled()
    assert post.received() == []
    assert post.twilio.asked == 0


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
    await post.outbox.store.client.hset(keys.session(CONVERSATION), "id", "live")
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
